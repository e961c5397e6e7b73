"""Settings of the decider."""

from __future__ import annotations

from pydantic import ByteSize, Field

from elbflow import flow, service
from elbflow.contract import settings as common

_SPARE_FILES = 128


class DeciderSettings(common.WorkerSettings, service.ServiceSettings):
    """Settings of ``elbflow-decider``: ``ELBFLOW_*`` variables."""

    decision_slots: int = Field(8, ge=1, le=256, description="Decisions in work at the same time")
    sticky: bool = Field(True, description="Keep executions in memory between decisions")
    sticky_cache: ByteSize = Field(ByteSize(64 << 20), ge=1, description="Memory for them, e.g. 64MiB")
    sticky_audit_share: float = Field(0.005, ge=0, le=1, description="Share of decisions also taken by full replay")

    @property
    def stickiness(self) -> flow.Sticky | None:
        """How executions are kept in memory; None when they are not."""
        return flow.Sticky(bytes=self.sticky_cache, audit_share=self.sticky_audit_share) if self.sticky else None

    @property
    def data_connections(self) -> int:
        return max(super().data_connections, 2 * self.decision_slots)

    @property
    def needed_files(self) -> int:
        """Open files the process must be able to hold."""
        return self.swf_connections + _SPARE_FILES
