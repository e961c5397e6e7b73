"""Settings of the engine process: ``ELBFLOW_ENGINE_*`` variables, overruled by command-line options."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from elbflow import clock as clocks
from elbflow import service
from elbflow_engine import core, journal, polls, server, turns, wire

SPARE_FILES = 1024
"""Connections beside parked polls: short calls, the journal, the admin server."""
MOST_SHARES = 100


class EngineSettings(service.ServiceSettings):
    """One frozen object per process."""

    engine_host: str = Field("127.0.0.1", description="Address to serve SWF at")
    engine_port: int = Field(8700, ge=0, le=65535, description="Port to serve SWF at; 0 takes a free one")
    engine_data_dir: str = Field("", description=f"Directory of the journal, or {journal.MEMORY} to keep nothing")
    engine_auth: Literal["off", "static"] = Field(
        "off", description="off: believe the access key a request names; static: verify against the key file"
    )
    engine_system_only: bool = Field(
        False, description="Only administrators and the load-balancing roles may use the engine"
    )
    engine_system_roles: str = Field(
        ",".join(wire.ELB_ROLES), description="Roles that pass system-only: patterns with *, separated by commas"
    )
    engine_keys: Path | None = Field(None, description="Key file (JSON, mode 0600) for static authentication")
    engine_hold_s: float = Field(58.0, gt=0, le=60, description="Seconds a poll without a task is held")
    engine_region: str = Field(
        "us-east-1",
        pattern=f"^{service.REGION.pattern}$",
        description="The engine's own region; calls signed for another one have a world of their own",
    )
    engine_max_polls: int = Field(10_000, ge=1, description="Polls that may be parked at once")
    engine_max_polls_per_account: int = Field(5_000, ge=1, description="Polls one account may have parked at once")
    engine_max_polls_per_domain: int = Field(4_000, ge=1, description="Polls that may be parked in one domain at once")
    engine_max_polls_per_list: int = Field(1_000, ge=1, description="Polls that may be parked on one task list at once")
    engine_tenant_shares: str = Field(
        "",
        description="Shares of service under load, 1 if not named: [ACCOUNT/]DOMAIN=NUMBER, separated by commas",
    )
    engine_access_log: float = Field(
        0.0, ge=0, le=1, description="Share of the requests, without polls, that are logged; 0.01 is one in a hundred"
    )
    engine_max_connections: int = Field(
        0, ge=0, description="Connections held at once; 0 takes 12000, or 0.8 of the limit of open files if less"
    )

    engine_console: Literal["on", "off"] = Field("on", description="Serve the console on the admin server")
    engine_console_hosts: str | None = Field(
        None, description="Host names, separated by commas, under which the console is served to other machines as well"
    )
    engine_throttle_scale: float = Field(
        0.0, ge=0, description="Multiplier of the published request quotas; 0 switches throttling off"
    )

    @field_validator("engine_tenant_shares")
    @classmethod
    def _shares(cls, value: str) -> str:
        for part in filter(None, map(str.strip, value.split(","))):
            tenant, _, share = part.partition("=")
            if not tenant.strip() or not share.strip().isdecimal() or not 1 <= int(share) <= MOST_SHARES:
                raise ValueError(f"{part!r} is not [ACCOUNT/]DOMAIN=NUMBER with a number from 1 to {MOST_SHARES}")
        return value

    @model_validator(mode="after")
    def _complete(self) -> EngineSettings:
        if not self.engine_data_dir:
            raise ValueError(f"engine_data_dir is not set: give a directory, or {journal.MEMORY} to keep nothing")
        if self.engine_auth == "static" and self.engine_keys is None:
            raise ValueError("engine_auth=static needs engine_keys")
        if self.engine_system_only and self.engine_auth == "off":
            raise ValueError(
                "engine_system_only needs engine_auth=static: otherwise callers say themselves who they are"
            )
        return self

    @property
    def needed_files(self) -> int:
        """Open files the process must be able to hold."""
        return max(self.engine_max_polls, self.engine_max_connections) + SPARE_FILES

    @property
    def console_hosts(self) -> tuple[str, ...]:
        """Names beside loopback's under which the console is served."""
        return tuple(host for host in map(str.strip, (self.engine_console_hosts or "").split(",")) if host)

    def configuration(self) -> server.Configuration:
        """What to serve. Reads the key file: raises :class:`service.UnusableKeys` or ``OSError``."""
        in_memory = self.engine_data_dir == journal.MEMORY
        return server.Configuration(
            authenticator=self._authenticator(),
            data_dir=None if in_memory else Path(self.engine_data_dir),
            host=self.engine_host,
            port=self.engine_port,
            hold=polls.HoldTime(self.engine_hold_s),
            limits=self._limits(),
            shares=turns.Shares(queued_polls=self.engine_max_polls, weights=self.tenant_shares),
            region=self.engine_region,
            system_only=self.engine_system_only,
            system_roles=tuple(role for role in map(str.strip, self.engine_system_roles.split(",")) if role),
            capacity=wire.Capacity(connections=self.engine_max_connections or None),
        )

    @property
    def tenant_shares(self) -> dict[str, int]:
        """Shares of those tenants that do not have one."""
        parts = (part.strip().partition("=") for part in self.engine_tenant_shares.split(",") if part.strip())
        return {tenant.strip(): int(share) for tenant, _, share in parts}

    def _limits(self) -> core.Limits:
        return core.Limits(
            parked_polls_per_list=self.engine_max_polls_per_list,
            parked_polls_per_domain=self.engine_max_polls_per_domain,
            parked_polls_per_account=self.engine_max_polls_per_account,
            parked_polls=self.engine_max_polls,
            throttle_scale=self.engine_throttle_scale,
        )

    def _authenticator(self) -> service.Authenticator:
        if self.engine_keys is None or self.engine_auth == "off":
            return service.AcceptAll()
        keys = service.StaticKeys.load(self.engine_keys)
        return service.Verifier(keys, service=wire.SERVICE, clock=clocks.SystemClock())
