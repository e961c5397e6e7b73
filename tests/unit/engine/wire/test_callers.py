"""Owners and permissions (spec/swf-semantics 1.5)."""

from __future__ import annotations

import pytest

from elbflow import service
from elbflow_engine import core
from elbflow_engine.wire import Rules, callers, protocol, scalars

ACCOUNT = "123456789012"


def caller(
    *,
    rules: Rules = Rules(),  # noqa: B008 - frozen
    admin: bool = False,
    roles: tuple[str, ...] = (),
    allow: tuple[str, ...] = ("*",),
) -> callers.Caller:
    identity = service.Identity(ACCOUNT, "AKID", admin, "us-east-1", roles, service.Permissions(allow))
    return callers.Caller(ACCOUNT, identity, rules)


@pytest.mark.parametrize(
    ("region", "owner"), [("", ACCOUNT), ("us-east-1", ACCOUNT), ("eu-west-1", f"{ACCOUNT}@eu-west-1")]
)
def test_another_region_is_another_world(region: str, owner: str) -> None:
    assert callers.owner_of(service.Identity(ACCOUNT, "AKID", False, region), "us-east-1") == owner


def test_a_denied_action_is_a_fault_of_the_service() -> None:
    some = caller(allow=("swf:PollFor*", "swf:describeDomain"))
    assert some.refusal("PollForDecisionTask") is None
    assert some.refusal("DescribeDomain") is None
    refusal = some.refusal("ListDomains")
    assert isinstance(refusal, core.Fault)
    assert (refusal.code, refusal.message) == (
        "OperationNotPermittedFault",
        "Access key AKID is not authorized to perform swf:ListDomains",
    )


def test_denied_decisions_are_those_no_pattern_allows() -> None:
    assert caller().denied_decisions == frozenset()
    assert caller(allow=("swf:Respond*",)).denied_decisions == frozenset(scalars.DECISION_TYPES)
    denied = caller(allow=("swf:*Workflow*", "swf:RecordMarker")).denied_decisions
    assert denied == {
        "StartTimer",
        "CancelTimer",
        "ScheduleActivityTask",
        "RequestCancelActivityTask",
        "ScheduleLambdaFunction",
    }


@pytest.mark.parametrize(
    ("admin", "roles", "passes"),
    [
        (True, (), True),
        (False, (), False),
        (False, ("LoadbalancingServiceAdministrator",), True),
        (False, ("reader", "loadbalancer-vm-000000000042-web"), True),
        (False, ("reader", "my-loadbalancer-vm-1"), False),
    ],
)
def test_system_only(admin: bool, roles: tuple[str, ...], passes: bool) -> None:
    refusal = caller(rules=Rules(system_only=True), admin=admin, roles=roles).refusal("ListDomains")
    assert (refusal is None) is passes
    if not passes:
        assert isinstance(refusal, protocol.Refused)
        assert refusal.code == "ValidationError"
        assert ACCOUNT in refusal.message
    assert caller(admin=admin, roles=roles).refusal("ListDomains") is None


def test_a_role_of_the_system_still_needs_permission() -> None:
    vm = caller(rules=Rules(system_only=True), roles=("loadbalancer-vm-x",), allow=("swf:PollForActivityTask",))
    assert vm.refusal("PollForActivityTask") is None
    assert isinstance(vm.refusal("TerminateWorkflowExecution"), core.Fault)
