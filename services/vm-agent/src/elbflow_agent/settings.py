"""Settings of the agent: ``ELBFLOW_*`` variables, and options of the command line above them."""

from __future__ import annotations

import ipaddress
import shutil
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource

from elbflow import service
from elbflow.contract import settings as common
from elbflow_agent import capacity, trust
from elbflow_agent.accesslog import api as accesslog
from elbflow_agent.boot import BootSource
from elbflow_agent.haproxy import model, place, safe

Role = Literal["worker", "servo", "both"]

_SPARE_FILES = 512


class AgentSettings(common.SwfSettings, common.AccessLogSettings, service.ServiceSettings):
    """What every form of the agent needs."""

    agent_run_dir: Path = Field(description="Directory of the VMs' files and sockets; keep its path short")
    agent_redis_socket: Path = Field(description="Unix socket of the Redis between worker and servo")
    agent_haproxy: str = Field("haproxy", description="HAProxy's executable, 2.6 or later")
    agent_max_connections: int = Field(capacity.UNKNOWN, ge=100, description="Client connections per HAProxy")
    agent_low_ports: bool = Field(False, description="HAProxy may bind ports below 1024 even if the agent may not")
    agent_iam_endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^/]+/",
        description="URL of IAM with its path, usually /services/Euare/, for certificates of HTTPS and SSL listeners",
    )
    agent_keys_dir: Path | None = Field(
        None, description="Directory (0700, in memory) for keys; when not given below agent_run_dir, or in /dev/shm"
    )
    agent_hard_stop_s: int = Field(
        300, ge=1, description="Seconds an old HAProxy worker has after a reload when connection draining is off"
    )
    agent_old_workers: int = Field(
        16, ge=1, description="Old HAProxy workers that a VM may have; of more the oldest ends with its connections"
    )
    agent_server_connections: int = Field(
        0, ge=0, le=1_000_000, description="Connections to one server; what is beyond waits in the queue, 0: no bound"
    )
    agent_first_success: bool = Field(
        False, description="One passed health check puts a new instance in service, as with Eucalyptus 4"
    )
    agent_removal_grace_s: float = Field(5.0, ge=0, description="Seconds sessions have when draining is off")

    agent_ca_bundle: Path | None = Field(
        None,
        description="File with the certificates of the authorities that SWF, IAM, STS and S3 may have theirs of, no "
        "others; when not given AWS_CA_BUNDLE, then the system's for IAM and STS and the SDK's own for SWF and S3",
    )
    agent_spool_dir: Path | None = Field(
        None, description="Directory of access logs until they are stored; when not given below agent_run_dir"
    )
    agent_spool_mib: int = Field(512, ge=1, description="Mebibytes that access logs may take until they are stored")

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

    @field_validator("agent_ca_bundle")
    @classmethod
    def _has_certificates(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                trust.of_file(value)
            except OSError as error:
                raise ValueError(f"{value} has no certificates that can be used: {error}") from error
            value = value.absolute()
        return value

    @field_validator("agent_run_dir", "agent_redis_socket")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.absolute()

    @property
    def limits(self) -> place.Limits:
        return place.Limits(
            self.agent_max_connections, self.agent_hard_stop_s, self.agent_low_ports, self.agent_old_workers
        )

    @property
    def shipping(self) -> accesslog.ShippingOptions:
        return accesslog.ShippingOptions(
            spool=self.agent_spool_dir or self.agent_run_dir / "access-logs",
            cap_bytes=self.agent_spool_mib * 1024 * 1024,
            region=self.swf_region,
            directory=self.access_log_directory,
            endpoint=self.s3_endpoint,
        )

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
    agent_sts_endpoint: str | None = Field(
        None, pattern=r"^https?://[^/]", description="URL of STS, where the host assumes the roles of its VMs"
    )
    agent_system_account: str = Field(
        service.SYSTEM_ACCOUNT, pattern=r"^[0-9]{12}$", description="Account that owns the VMs' roles"
    )
    agent_log_roles: bool = Field(
        False,
        description="Store access logs with the load balancers' roles, for an S3 that knows the keys which "
        "agent_sts_endpoint gives; otherwise with the process's own credentials",
    )
    agent_delegation_days: int = Field(365, ge=1, le=3650, description="Days that a VM's delegation certificate lives")
    agent_stop_soft_s: float = Field(
        5.0, ge=0, description="Seconds connections have when a VM is deleted while draining is off"
    )

    @model_validator(mode="after")
    def _can_assume(self) -> Self:
        if self.agent_log_roles and self.agent_sts_endpoint is None:
            raise ValueError("agent_log_roles needs agent_sts_endpoint, where the roles are assumed")
        return self

    @property
    def needed_files(self) -> int:
        """A VM takes the connection of its parked poll, what watches its HAProxy, and its log's pipe."""
        return super().needed_files + 2 * self.poll_connections


class VmSettings(AgentSettings):
    """``elbflow-agent run``: one VM. The worker and the servo may be processes of their own."""

    agent_servo_conf: Path | None = Field(None, description="File of key=value lines that the VM's user data wrote")
    agent_instance_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description="The task list")
    agent_address: ipaddress.IPv4Address = Field(description="Address that HAProxy binds")
    agent_more_addresses: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Further addresses that HAProxy binds, IPv6 ones for example, separated by commas"
    )
    agent_any_pair: bool = Field(
        False,
        description="Serve listeners whose protocols are of different layers, HTTP to TCP say, as Eucalyptus 4 does; "
        "AWS and our own control plane refuse them",
    )
    agent_role: Role = Field("both", description="worker: polls SWF; servo: owns HAProxy")
    agent_credential_file: Path | None = Field(
        None, description="File with the VM's key and delegation certificate, as its cloud attached it"
    )
    agent_firewall_state: Path | None = Field(
        None, description="File in which the program that keeps the VM's packet filter says whether there is one"
    )
    agent_stall_s: float = Field(
        60.0, ge=1, description="Seconds without a sign of life of its event loop after which an agent ends itself"
    )
    agent_account: str | None = Field(None, pattern=r"^[0-9]{12}$", description="Owner of the load balancer")
    agent_load_balancer: str | None = Field(None, description="Name of the load balancer; others are refused")
    swf_poll_connections: int = Field(8, ge=1, description="Long polls that may be parked at once")
    agent_max_connections: int = Field(
        default_factory=capacity.of_machine,
        ge=100,
        description="Client connections per HAProxy; when not given one per 128 KiB of the VM's memory",
    )

    @field_validator("agent_more_addresses", mode="before")
    @classmethod
    def _addresses(cls, value: object) -> object:
        if isinstance(value, str):
            value = tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="after")
    def _can_be_bound(self) -> Self:
        try:
            model.Model(str(self.agent_address), more_addresses=self.agent_more_addresses)
        except safe.Unrepresentable as error:
            raise ValueError(f"agent_more_addresses: {error}") from error
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the VM's boot says comes last."""
        said = super().settings_customise_sources(
            settings_cls, init_settings, env_settings, dotenv_settings, file_secret_settings
        )
        return (*said, BootSource(settings_cls))
