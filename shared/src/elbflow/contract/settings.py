"""Settings in which services must agree to meet: the SWF endpoint with its domain and task list, and the zones.

Mix-ins for a service's settings. They say nothing of where values come from: ``elbflow.service.ServiceSettings``,
which a service names after them, reads ``ELBFLOW_*`` variables.
"""

from __future__ import annotations

from typing import Annotated

import pydantic
from pydantic import Field
from pydantic_settings import NoDecode

from elbflow import polling, swf
from elbflow.contract import names

DATA_CONNECTIONS = 32
"""Connections for short calls that every process has."""


class SwfSettings(pydantic.BaseModel):
    """Where SWF is, and in which of its domains services meet."""

    swf_endpoint: str | None = Field(None, description="URL of the SWF endpoint; AWS's own when not given")
    swf_endpoint_kind: polling.EndpointKind | None = Field(
        None, description="How the endpoint behaves; local when a URL is given, else aws"
    )
    swf_region: str = Field("us-east-1", description="Region of the SWF endpoint")
    swf_domain: str = Field(names.DOMAIN, min_length=1, max_length=256, description="Domain of all executions")

    @property
    def poll_connections(self) -> int:
        """Long polls that may be parked at once. Services that poll override it; the client wants one at least."""
        return 1

    @property
    def data_connections(self) -> int:
        """Connections for short calls, which never wait behind a parked poll. More tasks at once need more."""
        return DATA_CONNECTIONS

    @property
    def swf_connections(self) -> int:
        """Connections to SWF that this process may hold, for its limit of open files."""
        return self.poll_connections + self.data_connections

    def profile(self) -> polling.EndpointProfile:
        """What the scheduler must know of the endpoint."""
        return polling.EndpointProfile.of(self.swf_endpoint_kind or ("aws" if self.swf_endpoint is None else "local"))

    def client_settings(self) -> swf.ClientSettings:
        """How to reach the endpoint."""
        return swf.ClientSettings(
            region=self.swf_region,
            endpoint_url=self.swf_endpoint,
            poll_connections=self.poll_connections,
            data_connections=self.data_connections,
        )


class TaskListSettings(SwfSettings):
    """SWF settings of a service of the control plane: all of them share one task list, VMs have their own."""

    swf_task_list: str = Field(
        names.TASK_LIST, min_length=1, max_length=256, description="Task list of decisions and of activities"
    )


class WorkerSettings(TaskListSettings):
    """SWF settings of a service that works on the common task list."""

    poll_budget: int = Field(16, ge=1, description="Long polls parked at the same time")

    @property
    def poll_connections(self) -> int:
        return self.poll_budget


def _split(value: object) -> object:
    """``a,b`` from the environment; anything else as it is."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class ZoneSettings(pydantic.BaseModel):
    """The availability zones there are."""

    zones: Annotated[tuple[str, ...], NoDecode, pydantic.BeforeValidator(_split)] = Field(
        ("local-1a", "local-1b", "local-1c"), min_length=1, description="Availability zones, comma-separated"
    )
