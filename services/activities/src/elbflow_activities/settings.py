"""Settings of the activities service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from elbflow import service
from elbflow.contract import settings as common
from elbflow_activities.environment import Policy

_SPARE_FILES = 256


class ActivitiesSettings(common.WorkerSettings, common.ZoneSettings, common.AccessLogSettings, service.ServiceSettings):
    """Settings of ``elbflow-activities``: ``ELBFLOW_*`` variables."""

    store_url: str = Field(description="SQLAlchemy URL of the store")

    activity_slots: int = Field(32, ge=1, le=1024, description="Activities in work at the same time")

    agent_host_url: str = Field(description="URL of the agent host, where the local cloud's VMs run")
    agent_token_file: Path | None = Field(None, description="File with the agent host's bearer token")

    vm_per_zone: int = Field(1, ge=1, le=20, description="Load-balancer VMs per enabled zone")
    failure_threshold_for_recycle: int = Field(
        24, description="Failed VM activities within about an hour after which a VM is replaced; 0 never does"
    )
    health_check_period_s: float = Field(60.0, gt=0, description="Period of the service's own health check")

    @property
    def data_connections(self) -> int:
        return max(super().data_connections, 2 * self.activity_slots)

    @property
    def needed_files(self) -> int:
        """Open files the process must be able to hold."""
        return self.swf_connections + _SPARE_FILES

    def policy(self) -> Policy:
        """What the activities must know of it."""
        return Policy(self.vm_per_zone, self.failure_threshold_for_recycle)
