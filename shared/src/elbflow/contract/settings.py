"""Settings in which services must agree to meet: the SWF endpoint with its domain and task list, and the zones.

Mix-ins for a service's settings. They say nothing of where values come from: ``elbflow.service.ServiceSettings``,
which a service names after them, reads ``ELBFLOW_*`` variables.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field
from pydantic_settings import NoDecode

from elbflow import polling, swf
from elbflow.contract import cloud, names

POLL = "PollForActivityTask"
"""Its quota is that of every kind of poll."""
PAGED_POLL = "PollForDecisionTask"
DATA_CONNECTIONS = 32
"""Connections for short calls that every process has."""
_URL = r"^https?://[^/]"


class SwfSettings(pydantic.BaseModel, defer_build=True):
    """Where SWF is, and in which of its domains services meet."""

    swf_endpoint: str | None = Field(
        None,
        description="URL of the SWF endpoint, or of several of the same SWF, comma-separated, the preferred one first; "
        "AWS's own when not given",
    )
    swf_endpoint_kind: polling.EndpointKind | None = Field(
        None, description="How the endpoint behaves; local when a URL is given, else aws"
    )
    swf_region: str = Field("us-east-1", description="Region of the SWF endpoint")
    swf_fast_path: bool = Field(
        True, description="Send SWF calls past most of aiobotocore, at a fraction of its CPU; off if in doubt"
    )
    swf_domain: str = Field(names.DOMAIN, min_length=1, max_length=256, description="Domain of all executions")

    swf_quota_share: float = Field(
        swf.QuotaSettings().share,
        gt=0,
        le=1,
        description="Part of the account's SWF request quotas that processes like this one may use together",
    )
    swf_quota_shares: str = Field(
        "", description="Parts of single operations' quotas: OPERATION=PART, separated by commas"
    )
    swf_quota_processes: int = Field(1, ge=1, description="Number of processes like this one in the account")
    swf_quota_scale: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="How the account's quotas compare with Amazon's published ones; 0 lifts all limits. "
        "When not given: 1 for aws, 0.1 for eucalyptus, 0 for local",
    )

    @pydantic.model_validator(mode="after")
    def _possible(self) -> Self:
        if self.swf_endpoint and not self._endpoints():
            raise ValueError(f"swf_endpoint={self.swf_endpoint!r} names no endpoint; leave it out for AWS's own")
        self.quotas()
        return self

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
        return (self.poll_connections + self.data_connections) * max(1, len(self._endpoints()))

    def _endpoints(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in (self.swf_endpoint or "").split(",") if part.strip())

    def profile(self) -> polling.EndpointProfile:
        """What the scheduler must know of the endpoint, polled within this process's part of the quota."""
        profile = polling.EndpointProfile.of(self._kind)
        quotas = self.quotas()
        share = None if quotas is None else quotas.of(POLL)
        return profile if share is None else dataclasses.replace(profile, issue_rate=share.per_s)

    def quotas(self) -> swf.QuotaSettings | None:
        """This process's part of the account's request quotas; None when nothing is limited."""
        scale = self.swf_quota_scale
        if scale is None:
            scale = {"aws": 1.0, "eucalyptus": swf.QuotaSettings.eucalyptus().scale, "local": 0.0}[self._kind]
        if scale == 0.0:
            return None
        shares = _shares(self.swf_quota_shares)
        return swf.QuotaSettings(self.swf_quota_share, shares, self.swf_quota_processes, scale)

    @property
    def _kind(self) -> polling.EndpointKind:
        return self.swf_endpoint_kind or ("local" if self._endpoints() else "aws")

    def client_settings(self) -> swf.ClientSettings:
        """How to reach the endpoint."""
        return swf.ClientSettings(
            region=self.swf_region,
            endpoint_urls=self._endpoints(),
            poll_connections=self.poll_connections,
            data_connections=self.data_connections,
            quotas=self.quotas(),
            fast_path=self.swf_fast_path,
        )


class TaskListSettings(SwfSettings):
    """SWF settings of a service of the control plane: all of them share one task list, VMs have their own."""

    swf_task_list: str = Field(
        names.TASK_LIST, min_length=1, max_length=256, description="Task list of decisions and of activities"
    )


class WorkerSettings(TaskListSettings):
    """SWF settings of a service that works on the common task list."""

    poll_budget: int = Field(16, ge=1, description="Long polls parked at the same time")
    poll_minimum: int = Field(
        3, ge=1, description="Of these, those kept parked on one list so that tasks which come together start together"
    )
    poll_budget_shares: str = Field(
        "",
        description="Parts of the poll budget by tenant: TENANT=KEPT or TENANT=KEPT:MOST, separated by commas. "
        "When not given: one tenant may use all of it, each of several 0.6",
    )

    @pydantic.model_validator(mode="after")
    def _budget_can_be_shared(self) -> Self:
        self.budget_shares()
        return self

    def budget_shares(self) -> dict[str, polling.TenantShare]:
        """What each tenant is guaranteed of the poll budget, and the most that it may use."""
        return _budget_shares(self.poll_budget_shares)

    @property
    def poll_connections(self) -> int:
        return self.poll_budget

    def parked_polls(self, slots: int) -> int:
        """Long polls that stay parked on a list whose tasks come several at a time; at most ``slots``.

        With one alone the second of two tasks waits until the answer that brought the first has been read. A server
        that wakes all polls for each task (Eucalyptus) gains nothing by it.
        """
        return 1 if self._kind == "eucalyptus" else min(self.poll_minimum, slots, self.poll_budget)


def _shares(value: str) -> dict[str, float]:
    """``StartWorkflowExecution=0.1,SignalWorkflowExecution=0.2`` as a mapping; ``ValueError`` says what is wrong."""
    shares: dict[str, float] = {}
    for part in filter(None, map(str.strip, value.split(","))):
        operation, _, share = part.partition("=")
        if operation.strip() == PAGED_POLL:
            raise ValueError(f"the part of both polls is that of {POLL}: give {POLL}={share.strip()}")
        try:
            shares[operation.strip()] = float(share)
        except ValueError:
            raise ValueError(f"{part!r} is not OPERATION=PART with a number above 0 and at most 1") from None
    return shares


def _budget_shares(value: str) -> dict[str, polling.TenantShare]:
    """``elb=0.2:0.8,cfn=0.1`` as a mapping; ``ValueError`` says what is wrong."""
    shares: dict[str, polling.TenantShare] = {}
    for part in filter(None, map(str.strip, value.split(","))):
        tenant, _, range_ = part.partition("=")
        tenant = tenant.strip()
        kept, _, most = range_.partition(":")
        try:
            given = float(kept), float(most) if most else None
        except ValueError:
            raise ValueError(f"{part!r} is not TENANT=KEPT or TENANT=KEPT:MOST with numbers from 0 to 1") from None
        if not tenant:
            raise ValueError(f"{part!r} names no tenant")
        if tenant in shares:
            raise ValueError(f"tenant {tenant} is given twice")
        shares[tenant] = polling.TenantShare(*given)
    if (total := math.fsum(share.min_share for share in shares.values())) > 1.0:
        raise ValueError(f"the parts kept for the tenants add up to {total:.2f}; they must not exceed 1")
    return shares


def _split(value: object) -> object:
    """``a,b`` from the environment; anything else as it is."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class VpcSettings(pydantic.BaseModel, defer_build=True):
    """The VPC of a local cloud, as JSON in a variable."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    vpc_id: str = Field(pattern=r"^vpc-[0-9A-Za-z-]{1,40}$")
    default: bool = False
    internet_gateway: bool = True
    subnets: dict[Annotated[str, Field(pattern=r"^subnet-[0-9A-Za-z-]{1,40}$")], str] = Field(min_length=1)
    security_groups: dict[Annotated[str, Field(pattern=r"^sg-[0-9A-Za-z-]{1,40}$")], str] = Field(min_length=1)

    @pydantic.model_validator(mode="after")
    def _has_default_group(self) -> Self:
        if "default" not in self.security_groups.values():
            raise ValueError("one of security_groups must have the name default")
        return self

    def declared(self) -> cloud.DeclaredVpc:
        """The same as a plain value."""
        vpc = cloud.Vpc(self.vpc_id, self.default, self.internet_gateway)
        return cloud.DeclaredVpc(vpc, self.subnets, self.security_groups)


class ZoneSettings(pydantic.BaseModel, defer_build=True):
    """The local cloud: its availability zones, its VPC if there is one, and where access logs may go."""

    zones: Annotated[tuple[str, ...], NoDecode, pydantic.BeforeValidator(_split)] = Field(
        ("local-1a", "local-1b", "local-1c"), min_length=1, description="Availability zones, comma-separated"
    )
    vpc: VpcSettings | None = Field(
        None,
        description='The VPC, as JSON: {"vpc_id": ID, "default": false, "internet_gateway": true, '
        '"subnets": {ID: ZONE}, "security_groups": {ID: NAME}}; the first subnet of a zone is its default one. '
        "Without it there are only classic load balancers",
    )
    access_log_buckets: Annotated[frozenset[str], NoDecode, pydantic.BeforeValidator(_split)] = Field(
        frozenset(), description="Buckets that access logs may go to, comma-separated; when not given: any"
    )

    @pydantic.model_validator(mode="after")
    def _subnets_are_in_zones(self) -> Self:
        if unknown := sorted(set(self.vpc.subnets.values() if self.vpc else ()) - set(self.zones)):
            raise ValueError(f"subnets of the vpc are in zones that there are not: {', '.join(unknown)}")
        return self


class AccessLogSettings(pydantic.BaseModel, defer_build=True):
    """Where access logs are put."""

    access_log_directory: Path | None = Field(
        None, description="Directory that holds access logs, by bucket, in S3's stead"
    )
    s3_endpoint: str | None = Field(None, pattern=_URL, description="URL of S3; AWS's own when not given")


class CloudSettings(ZoneSettings):
    """Which cloud it is: the local one, as declared, or AWS's or Eucalyptus's, which is asked."""

    cloud: Literal["local", "aws"] = Field(
        "local",
        description="local: zones, VPC and log buckets as declared; aws: those of EC2 and S3, and EC2's instances",
    )
    cloud_region: str | None = Field(
        None, pattern=r"^[a-z0-9-]+$", description="Region of the aws cloud; SWF's when not given"
    )
    cloud_profile: str | None = Field(
        None, min_length=1, description="AWS profile for the aws cloud; when not given the same credentials as for SWF"
    )
    cloud_certificates: Literal["iam", "store"] = Field(
        "iam",
        description="Whose server certificates listeners may have in the aws cloud: its IAM's, or the store's",
    )
    ec2_endpoint: str | None = Field(None, pattern=_URL, description="URL of EC2; AWS's own when not given")
    s3_endpoint: str | None = Field(None, pattern=_URL, description="URL of S3; AWS's own when not given")
    iam_endpoint: str | None = Field(None, pattern=_URL, description="URL of IAM; AWS's own when not given")
