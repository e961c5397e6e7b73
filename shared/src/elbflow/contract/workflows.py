"""Workflow and signal signatures (spec/elb-control-plane 4.2).

The API starts and signals by these, the decider implements them; neither imports the other.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from elbflow import flow
from elbflow.contract.document import Attributes, LoadBalancerKey, SecurityGroup

In = TypeVar("In")
Out = TypeVar("Out")

ONE_SHOT_TIMEOUT = timedelta(seconds=300)
CONTINUOUS_TIMEOUT = timedelta(days=2)
DECISION_TIMEOUT = timedelta(seconds=15)
"""How soon a decision whose decider died is given to another one; deciding takes milliseconds."""


class OutcomeState(enum.StrEnum):
    """How a one-shot workflow ended; published only after its compensations."""

    RUNNING = "WORKFLOW_RUNNING"
    SUCCESS = "WORKFLOW_SUCCESS"
    CANCELLED = "WORKFLOW_CANCELLED"
    FAILED = "WORKFLOW_FAILED"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a one-shot workflow. ``status`` is the HTTP status that a waiting API call answers with."""

    state: OutcomeState
    status: int = 200
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CreateLoadBalancerInput:
    """``certificates``: some of the listeners on ``ports`` have one."""

    key: LoadBalancerKey
    zones: tuple[str, ...]
    ports: tuple[int, ...]
    certificates: bool = True


@dataclass(frozen=True, slots=True)
class LoadBalancerInput:
    key: LoadBalancerKey


@dataclass(frozen=True, slots=True)
class ListenersInput:
    """Listeners that come or go. Who knows that a step has nothing to do says so; it is taken when in doubt.

    ``certificates``: some of the listeners have one. ``health_check``: the load balancer may have none yet.
    """

    key: LoadBalancerKey
    ports: tuple[int, ...]
    certificates: bool = True
    health_check: bool = True


@dataclass(frozen=True, slots=True)
class CertificateInput:
    """A listener's new certificate, which its row has already, and the one to go back to."""

    key: LoadBalancerKey
    port: int
    certificate_arn: str
    former_arn: str | None


@dataclass(frozen=True, slots=True)
class ZonesInput:
    key: LoadBalancerKey
    zones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AttributesInput:
    key: LoadBalancerKey
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class SecurityGroupsInput:
    key: LoadBalancerKey
    groups: tuple[SecurityGroup, ...]


@dataclass(frozen=True, slots=True)
class ServiceHealthInput:
    period_s: float = 60.0


def _one_shot(name: str, input_type: type[In]) -> flow.WorkflowSignature[In, Outcome]:
    return flow.WorkflowSignature(
        name=name,
        version="1.0",
        input_type=input_type,
        output_type=Outcome,
        execution_timeout=ONE_SHOT_TIMEOUT,
        decision_timeout=DECISION_TIMEOUT,
    )


def _continuous(name: str, input_type: type[In]) -> flow.WorkflowSignature[In, None]:
    return flow.WorkflowSignature(
        name=name,
        version="1.0",
        input_type=input_type,
        output_type=type(None),
        execution_timeout=CONTINUOUS_TIMEOUT,
        decision_timeout=DECISION_TIMEOUT,
    )


CREATE_LOAD_BALANCER = _one_shot("CreateLoadBalancer", CreateLoadBalancerInput)
DELETE_LOAD_BALANCER = _one_shot("DeleteLoadBalancer", LoadBalancerInput)
CREATE_LISTENERS = _one_shot("CreateLoadBalancerListeners", ListenersInput)
DELETE_LISTENERS = _one_shot("DeleteLoadBalancerListeners", ListenersInput)
SET_CERTIFICATE = _one_shot("SetLoadBalancerListenerSSLCertificate", CertificateInput)
ENABLE_ZONE = _one_shot("EnableAvailabilityZone", ZonesInput)
DISABLE_ZONE = _one_shot("DisableAvailabilityZone", ZonesInput)
MODIFY_ATTRIBUTES = _one_shot("ModifyLoadBalancerAttributes", AttributesInput)
APPLY_SECURITY_GROUPS = _one_shot("ApplySecurityGroups", SecurityGroupsInput)
UPDATE_LOAD_BALANCER = _continuous("UpdateLoadBalancer", LoadBalancerInput)
POLL_INSTANCE_STATUS = _continuous("PollInstanceStatus", LoadBalancerInput)
PUT_CLOUDWATCH_METRIC = _continuous("PutCloudWatchMetric", LoadBalancerInput)
SERVICE_HEALTH_CHECK = _continuous("PerformServiceHealthCheck", ServiceHealthInput)

ALL: tuple[flow.WorkflowSignature[Any, Any], ...] = (
    CREATE_LOAD_BALANCER,
    DELETE_LOAD_BALANCER,
    CREATE_LISTENERS,
    DELETE_LISTENERS,
    SET_CERTIFICATE,
    ENABLE_ZONE,
    DISABLE_ZONE,
    MODIFY_ATTRIBUTES,
    APPLY_SECURITY_GROUPS,
    UPDATE_LOAD_BALANCER,
    POLL_INSTANCE_STATUS,
    PUT_CLOUDWATCH_METRIC,
    SERVICE_HEALTH_CHECK,
)

UPDATE_IMMEDIATELY: flow.SignalSignature[int] = flow.SignalSignature("updateImmediately", int)
"""Carries the generation that should be served."""

POLL_IMMEDIATELY: flow.SignalSignature[None] = flow.SignalSignature("pollImmediately", type(None))
"""The set of VMs changed: look it up again."""
