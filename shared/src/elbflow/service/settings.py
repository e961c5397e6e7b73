"""Settings every service has in common; each service subclasses :class:`ServiceSettings` with its own fields."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

SECRETS_DIR_VARIABLE = "ELBFLOW_SECRETS_DIR"

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LogFormat = Literal["json", "console"]


class ServiceSettings(BaseSettings):
    """One frozen object per process, read from ``ELBFLOW_*`` variables (nested fields with ``__``).

    Values that nobody should see in an environment can be files instead: when ``ELBFLOW_SECRETS_DIR`` names a
    directory, a file ``elbflow_<field>`` in it is the value of that field. Variables win over files.

    Raises ``pydantic.ValidationError`` naming each wrong field.
    """

    model_config = SettingsConfigDict(
        env_prefix="ELBFLOW_",
        env_nested_delimiter="__",
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        defer_build=True,  # validators of the forms that a process does not run in take memory
    )

    service_host: str = Field("127.0.0.1", description="Address of the admin HTTP server")
    service_port: int = Field(0, ge=0, le=65535, description="Port of the admin HTTP server; 0 takes a free one")
    log_level: LogLevel = Field("INFO", description="Least severe level that is logged")
    log_format: LogFormat = Field("json", description="json: one object per line; console: for people")
    drain_timeout_s: float = Field(70.0, gt=0, description="Seconds a drain may take before it is cut off")
    max_loop_lag_s: float = Field(1.0, gt=0, description="/livez fails while the event loop lags more than this")

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then variables, then secret files. No ``.env``: what runs is what the supervisor was told."""
        sources = (init_settings, env_settings)
        if directory := os.environ.get(SECRETS_DIR_VARIABLE):
            return (*sources, SecretsSettingsSource(settings_cls, secrets_dir=directory))
        return sources
