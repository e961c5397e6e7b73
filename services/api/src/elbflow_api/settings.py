"""Settings of the front door."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from elbflow import service
from elbflow.contract import settings as common

Auth = Literal["static", "off"]

_HIGHEST_PORT = 65535


class ApiSettings(common.TaskListSettings, common.ZoneSettings, service.ServiceSettings):
    """Settings of ``elbflow-api``: ``ELBFLOW_*`` variables, and options of the command line above them."""

    api_host: str = Field("127.0.0.1", description="Address of the ELB endpoint")
    api_port: int = Field(0, ge=0, le=_HIGHEST_PORT, description="Port of the ELB endpoint; 0 takes a free one")
    store_url: str = Field(description="SQLAlchemy URL of the store")
    # Shared with the activities service, which starts and signals too: together below half of the account's quota.
    swf_quota_share: float = Field(
        0.2, gt=0, le=1, description="Part of the account's SWF request quotas that all front doors may use together"
    )
    auth: Auth = Field("static", description="static: signed requests, keys from the store; off: believe every caller")

    dns_subdomain: str = Field("lb", pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    dns_domain: str = Field("elbflow.internal", min_length=1, max_length=180)
    system_account: str = Field(
        service.SYSTEM_ACCOUNT, pattern=r"^[0-9]{12}$", description="Account that owns load balancers' security groups"
    )
    restricted_ports: Annotated[frozenset[int], NoDecode] = Field(
        frozenset({22}), description="LoadBalancerPorts nobody may use: n, n,m or n-m (spec/elb-control-plane 7.1)"
    )
    max_tags: int = Field(50, ge=0, description="Tags per load balancer")
    max_instances: int = Field(
        1000, ge=1, le=1000, description="Instances per load balancer; more would not fit into one document for a VM"
    )
    max_policies: int = Field(100, ge=1, description="Policies per load balancer")
    workflow_wait_s: float = Field(50.0, gt=0, description="How long a call waits for its workflow before it says 503")

    @field_validator("restricted_ports", mode="before")
    @classmethod
    def _read_ports(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        ports: set[int] = set()
        for part in value.split(","):
            first, _, last = part.strip().partition("-")
            if first:
                ports.update(range(_port(first), _port(last or first) + 1))
        return ports

    @property
    def dns_suffix(self) -> str:
        return f"{self.dns_subdomain}.{self.dns_domain}"


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= _HIGHEST_PORT:
        raise ValueError(f"{text!r} is not a port from 1 to {_HIGHEST_PORT}")
    return int(text)
