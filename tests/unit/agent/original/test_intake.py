"""Messages one after the other, as the servo takes them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests import original_messages
from tests.unit.agent.original.conftest import POLICIES, STICKY, FakeServo

from elbflow import errors
from elbflow.contract import document
from elbflow_agent import ipc
from elbflow_agent.ipc import messages
from elbflow_agent.original import intake, markup

ACCOUNT = "000000000001"


async def test_policies_then_the_specification_as_each_cycle_sends_them(
    servo: FakeServo, full: document.LoadBalancerDocument
) -> None:
    taking = intake.Intake(servo, ACCOUNT)
    for _ in range(2):
        for policy in POLICIES:
            await taking.set_policy(original_messages.policy(policy))
        await taking.set_load_balancer(original_messages.load_balancer(full))
    assert servo.applied == [full, full]


async def test_a_policy_that_comes_late_completes_the_document(
    servo: FakeServo, full: document.LoadBalancerDocument
) -> None:
    taking = intake.Intake(servo, ACCOUNT)
    await taking.set_load_balancer(original_messages.load_balancer(full))
    for policy in POLICIES:
        await taking.set_policy(original_messages.policy(policy))
    assert servo.in_force == full


async def test_a_policy_that_comes_late_finds_the_keys_that_came_before(
    servo: FakeServo, full: document.LoadBalancerDocument
) -> None:
    taking = intake.Intake(servo, ACCOUNT)
    authentication, *others = POLICIES
    for policy in others:
        await taking.set_policy(original_messages.policy(policy))
    await taking.set_load_balancer(original_messages.load_balancer(full))
    await taking.set_policy(original_messages.policy(authentication))
    assert servo.in_force == full


async def test_a_servo_that_was_restarted_has_the_policies_of_its_document(
    servo: FakeServo, full: document.LoadBalancerDocument
) -> None:
    servo.in_force = full
    await intake.Intake(servo, ACCOUNT).set_load_balancer(original_messages.load_balancer(full))
    assert servo.applied == [full]


async def test_what_is_invalid_changes_nothing(servo: FakeServo, full: document.LoadBalancerDocument) -> None:
    servo.in_force = full
    taking = intake.Intake(servo, ACCOUNT)
    for text in ("<", original_messages.policy(STICKY).replace("sticky", "")):
        with pytest.raises(markup.Invalid):
            await taking.set_load_balancer(text)
        with pytest.raises(markup.Invalid):
            await taking.set_policy(text)
    assert (servo.applied, servo.in_force) == ([], full)


async def test_policies_stay_when_a_specification_fails(servo: FakeServo, full: document.LoadBalancerDocument) -> None:
    taking = intake.Intake(servo, ACCOUNT)
    for policy in POLICIES:
        await taking.set_policy(original_messages.policy(policy))
    servo.failure = errors.Retryable("not now")
    with pytest.raises(errors.Retryable, match="not now"):
        await taking.set_load_balancer(original_messages.load_balancer(full))
    servo.failure = None
    await taking.set_load_balancer(original_messages.load_balancer(full))
    assert servo.applied == [full]


async def test_of_two_control_planes_the_last_one_counts(servo: FakeServo, full: document.LoadBalancerDocument) -> None:
    taking = intake.Intake(servo, ACCOUNT)
    own = replace(full, generation=57, zone="own")
    servo.in_force = own
    await taking.set_load_balancer(original_messages.load_balancer(full))
    assert servo.in_force == replace(full, generation=57)
    servo.overtaken_by = replace(own, generation=58)
    with pytest.raises(intake.Overtaken):
        await taking.set_load_balancer(original_messages.load_balancer(full))


async def test_the_owner_is_who_was_said_or_who_it_was(servo: FakeServo, full: document.LoadBalancerDocument) -> None:
    taking = intake.Intake(servo, None)
    with pytest.raises(intake.Unowned, match="ELBFLOW_AGENT_ACCOUNT"):
        await taking.set_load_balancer(original_messages.load_balancer(full))
    servo.in_force = full
    await taking.set_load_balancer(original_messages.load_balancer(full))
    assert servo.applied == [full]


async def test_policies_that_nobody_asks_for_do_not_pile_up(
    servo: FakeServo, full: document.LoadBalancerDocument
) -> None:
    taking = intake.Intake(servo, ACCOUNT)
    await taking.set_policy(original_messages.policy(POLICIES[0]))
    for number in range(520):
        await taking.set_policy(original_messages.policy(replace(STICKY, name=f"p{number}")))
    assert len(taking._waiting) == 512
    assert POLICIES[0].name not in taking._waiting


def request(method: str, text: str) -> messages.Request:
    return messages.Request("1", method, "", 0.0, ipc.Method(method, str, type(None)).encode_argument(text))


async def test_messages_take_their_turn(servo: FakeServo, full: document.LoadBalancerDocument) -> None:
    handlers = ipc.Handlers()
    intake.bind(handlers, servo, ACCOUNT)
    told = [request("set-original-policy", original_messages.policy(policy)) for policy in POLICIES]
    told.append(request("set-original-load-balancer", original_messages.load_balancer(full)))
    assert await asyncio.gather(*map(handlers.answer, told)) == ["null"] * 5
    assert servo.applied == [full]
