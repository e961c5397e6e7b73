"""Settings of the front door."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from elbflow import service
from elbflow.contract import settings as common
from elbflow.store import urls

Auth = Literal["static", "off"]

_HIGHEST_PORT = 65535


class ApiSettings(common.TaskListSettings, common.CloudSettings, service.ServiceSettings):
    """Settings of ``elbflow-api``: ``ELBFLOW_*`` variables, and options of the command line above them."""

    api_host: str = Field("127.0.0.1", description="Address of the ELB endpoint")
    api_port: int = Field(0, ge=0, le=_HIGHEST_PORT, description="Port of the ELB endpoint; 0 takes a free one")
    store_url: str = Field(description="SQLAlchemy URL of the store")
    iam_port: int | None = Field(
        None,
        ge=0,
        le=_HIGHEST_PORT,
        description="Port of the IAM endpoint for server certificates, at api_host; 0 takes a free one. "
        "None is served when not given",
    )
    sts_port: int | None = Field(
        None,
        ge=0,
        le=_HIGHEST_PORT,
        description="Port of the STS endpoint for temporary keys, at api_host; 0 takes a free one. "
        "None is served when not given",
    )
    master_key_file: Path | None = Field(
        None,
        description="File (mode 0600) with the key that private keys of server certificates are encrypted with; made "
        "when missing. All front doors of one store need the same. Beside a SQLite store when not given",
    )
    max_server_certificates: int = Field(20, ge=0, description="Server certificates per account without own quota")
    max_temporary_keys: int = Field(5000, ge=0, description="Temporary keys per account that have not ended")
    # Shared with the activities service, which starts and signals too: together below half of the account's quota.
    swf_quota_share: float = Field(
        0.2, gt=0, le=1, description="Part of the account's SWF request quotas that all front doors may use together"
    )
    auth: Auth = Field("static", description="static: signed requests, keys from the store; off: believe every caller")

    elb_region: str | None = Field(
        None, pattern=r"^[a-z0-9-]+$", description="Region in load balancers' ARNs; SWF's when not given"
    )
    compatibility_create_denied_as_internal_failure: bool = Field(
        False,
        description="Answer a CreateLoadBalancer that policies do not allow with InternalFailure 400, as the original "
        "does, instead of AWS's AccessDenied 403",
    )

    compatibility_default_health_check: bool = Field(
        False,
        description="Begin with the original's health check, 3 checks up and 3 down, instead of AWS's 10 up and 2 down",
    )
    compatibility_zones_beside_subnets: bool = Field(
        False,
        description="Let CreateLoadBalancer name the subnets' zones too, as the original does; AWS takes one of both",
    )
    compatibility_access_log_intervals: bool = Field(
        False, description="Take every EmitInterval from 5 to 60 minutes, as the original does; AWS takes 5 and 60"
    )
    compatibility_all_attributes_answered: bool = Field(
        False,
        description="Answer ModifyLoadBalancerAttributes with all attributes, as the original does, "
        "instead of those that were given",
    )
    compatibility_error_state: bool = Field(
        False,
        description="Show the original's instance state Error, which AWS does not have: Unknown or OutOfService there",
    )
    compatibility_original_downloads: bool = Field(
        False,
        description="Answer DownloadServerCertificate as the original's agents read it, instead of in IAM's form",
    )
    compatibility_unknown_names_skipped: bool = Field(
        False,
        description="Leave load balancers and instances that there are not out of descriptions, as the original does, "
        "instead of refusing the call",
    )
    compatibility_other_zones_refused: bool = Field(
        False,
        description="Refuse instances of zones that are not enabled, as the original does; at AWS they are "
        "OutOfService until their zone is enabled",
    )

    dns_subdomain: str = Field("lb", pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    dns_domain: str = Field("elbflow.internal", min_length=1, max_length=180)
    system_account: str = Field(
        service.SYSTEM_ACCOUNT, pattern=r"^[0-9]{12}$", description="Account that owns load balancers' security groups"
    )
    restricted_ports: Annotated[frozenset[int], NoDecode] = Field(
        frozenset({22}), description="LoadBalancerPorts nobody may use: n, n,m or n-m (spec/elb-control-plane 7.1)"
    )
    max_load_balancers: int = Field(
        2000, ge=0, description="Load balancers per account that has no quota of its own (AWS begins with 20)"
    )
    max_security_groups: int = Field(5, ge=1, le=16, description="Security groups per load balancer in a VPC")
    max_tags: int = Field(50, ge=0, description="Tags per load balancer")
    max_tagged_load_balancers: int = Field(
        1, ge=1, le=20, description="Load balancers that one AddTags or RemoveTags may name; AWS takes one"
    )
    max_instances: int = Field(
        1000, ge=1, le=1000, description="Instances per load balancer; more would not fit into a VM's health report"
    )
    max_policies: int = Field(100, ge=1, description="Policies per load balancer")
    security_policies_file: Path | None = Field(
        None, description="JSON file of predefined security policies, in place of those that come with the service"
    )
    compatibility_unknown_policies_ignored: bool = Field(
        False,
        description="Leave unknown names out of descriptions of policies and policy types, as the original does, "
        "instead of answering PolicyNotFound and PolicyTypeNotFound",
    )
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

    @field_validator("store_url")
    @classmethod
    def _read_store_url(cls, value: str) -> str:
        try:
            urls.parse(value)
        except urls.BadStoreUrl as error:
            raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _can_seal(self) -> Self:
        if self.iam_port is not None and self.master_key_path is None:
            raise ValueError("master_key_file must be given: the store is no file that a key could lie beside")
        return self

    @model_validator(mode="after")
    def _knows_whose_certificates(self) -> Self:
        if self.cloud == "aws" and self.cloud_certificates == "iam" and self.iam_port is not None:
            raise ValueError(
                "iam_port serves the store's certificates, and cloud_certificates=iam lets listeners have only those "
                "of the cloud: leave iam_port out, or give cloud_certificates=store"
            )
        return self

    @property
    def master_key_path(self) -> Path | None:
        """Where the master key is; None when there is no telling."""
        if self.master_key_file is not None:
            return self.master_key_file
        url = urls.parse(self.store_url)
        if not urls.is_sqlite(url) or not url.database:
            return None
        return Path(f"{url.database}.master-key")

    @property
    def arn_region(self) -> str:
        return self.elb_region or self.swf_region

    @property
    def cloud_region_name(self) -> str:
        return self.cloud_region or self.swf_region

    @property
    def dns_suffix(self) -> str:
        return f"{self.dns_subdomain}.{self.dns_domain}"


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= _HIGHEST_PORT:
        raise ValueError(f"{text!r} is not a port from 1 to {_HIGHEST_PORT}")
    return int(text)
