"""Settings of the engine process: ``ELBFLOW_ENGINE_*`` variables, overruled by command-line options."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from elbflow import clock as clocks
from elbflow import service
from elbflow_engine import core, journal, polls, server

SPARE_FILES = 1024
"""Connections beside parked polls: short calls, the journal, the admin server."""


class EngineSettings(service.ServiceSettings):
    """One frozen object per process."""

    engine_host: str = Field("127.0.0.1", description="Address to serve SWF at")
    engine_port: int = Field(8700, ge=0, le=65535, description="Port to serve SWF at; 0 takes a free one")
    engine_data_dir: str = Field("", description=f"Directory of the journal, or {journal.MEMORY} to keep nothing")
    engine_auth: Literal["off", "static"] = Field(
        "off", description="off: believe the access key a request names; static: verify against the key file"
    )
    engine_keys: Path | None = Field(None, description="Key file (JSON, mode 0600) for static authentication")
    engine_hold_s: float = Field(58.0, gt=0, le=60, description="Seconds a poll without a task is held")
    engine_region: str = Field("us-east-1", description="Region that appears in ARNs")
    engine_max_polls: int = Field(10_000, ge=1, description="Polls that may be parked at once")

    engine_throttle_scale: float = Field(
        0.0, ge=0, description="Multiplier of the published request quotas; 0 switches throttling off"
    )

    @model_validator(mode="after")
    def _complete(self) -> EngineSettings:
        if not self.engine_data_dir:
            raise ValueError(f"engine_data_dir is not set: give a directory, or {journal.MEMORY} to keep nothing")
        if self.engine_auth == "static" and self.engine_keys is None:
            raise ValueError("engine_auth=static needs engine_keys")
        return self

    @property
    def needed_files(self) -> int:
        """Open files the process must be able to hold."""
        return self.engine_max_polls + SPARE_FILES

    def configuration(self) -> server.Configuration:
        """What to serve. Reads the key file: raises :class:`service.UnusableKeys` or ``OSError``."""
        in_memory = self.engine_data_dir == journal.MEMORY
        return server.Configuration(
            authenticator=self._authenticator(),
            data_dir=None if in_memory else Path(self.engine_data_dir),
            host=self.engine_host,
            port=self.engine_port,
            hold=polls.HoldTime(self.engine_hold_s),
            limits=core.Limits(parked_polls=self.engine_max_polls, throttle_scale=self.engine_throttle_scale),
            region=self.engine_region,
        )

    def _authenticator(self) -> service.Authenticator:
        if self.engine_keys is None or self.engine_auth == "off":
            return service.AcceptAll()
        keys = service.StaticKeys.load(self.engine_keys)
        return service.Verifier(keys, service="swf", clock=clocks.SystemClock())
