"""Settings of the agent: ``ELBFLOW_*`` variables, and options of the command line above them."""

from __future__ import annotations

import ipaddress
import shutil
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from elbflow import service
from elbflow.contract import settings as common
from elbflow_agent.haproxy import place

Role = Literal["worker", "servo", "both"]

_SPARE_FILES = 512


class AgentSettings(common.SwfSettings, service.ServiceSettings):
    """What every form of the agent needs."""

    agent_run_dir: Path = Field(description="Directory of the VMs' files and sockets; keep its path short")
    agent_redis_socket: Path = Field(description="Unix socket of the Redis between worker and servo")
    agent_haproxy: str = Field("haproxy", description="HAProxy's executable, 2.6 or later")
    agent_max_connections: int = Field(4000, ge=100, description="Client connections per HAProxy")
    agent_hard_stop_s: int = Field(300, ge=1, description="Seconds an old HAProxy worker may drain after a reload")
    agent_removal_grace_s: float = Field(5.0, ge=0, description="Seconds sessions have when draining is off")

    swf_poll_connections: int = Field(1000, ge=1, description="Long polls that may be parked at once, one per VM")
    # Shared with the activities service, which answers and heartbeats too: together below half of the account's quota.
    swf_quota_share: float = Field(
        0.2, gt=0, le=1, description="Part of the account's SWF request quotas that all agents may use together"
    )

    @field_validator("agent_haproxy")
    @classmethod
    def _executable(cls, value: str) -> str:
        found = shutil.which(value)
        if found is None:
            raise ValueError(f"{value} is not an executable; install haproxy")
        return found

    @field_validator("agent_run_dir", "agent_redis_socket")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.absolute()

    @property
    def limits(self) -> place.Limits:
        return place.Limits(self.agent_max_connections, self.agent_hard_stop_s)

    @property
    def poll_connections(self) -> int:
        return self.swf_poll_connections

    @property
    def needed_files(self) -> int:
        return self.swf_connections + _SPARE_FILES


class HostSettings(AgentSettings):
    """``elbflow-agent host``: many VMs in one process."""

    agent_network: ipaddress.IPv4Network = Field(
        ipaddress.IPv4Network("127.80.0.0/16"), description="Addresses of the VMs; all must be this machine's"
    )
    agent_token_file: Path = Field(description="File (0600) with the bearer token of the control API")
    agent_stop_soft_s: float = Field(5.0, ge=0, description="Seconds connections have when a VM is deleted")

    @property
    def needed_files(self) -> int:
        """A VM takes the connection of its parked poll, and the descriptor that watches its HAProxy."""
        return super().needed_files + self.poll_connections


class VmSettings(AgentSettings):
    """``elbflow-agent run``: one VM. The worker and the servo may be processes of their own."""

    agent_instance_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description="The task list")
    agent_address: ipaddress.IPv4Address = Field(description="Address that HAProxy binds")
    agent_role: Role = Field("both", description="worker: polls SWF; servo: owns HAProxy")
    agent_account: str | None = Field(None, pattern=r"^[0-9]{12}$", description="Owner of the load balancer")
    agent_load_balancer: str | None = Field(None, description="Name of the load balancer; others are refused")
    swf_poll_connections: int = Field(8, ge=1, description="Long polls that may be parked at once")
