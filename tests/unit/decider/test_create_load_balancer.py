"""CreateLoadBalancer: all of it, or nothing of it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.decider.fakes import KEY, Fakes, Refused, fail, name_of

from elbflow import flow, testing
from elbflow.contract import activities, workflows
from elbflow.contract.workflows import Outcome, OutcomeState
from elbflow_decider.workflows import CreateLoadBalancer

REQUEST = workflows.CreateLoadBalancerInput(KEY, zones=("a", "b"), ports=(80, 443))

UNDONE_BY = {
    "iam_role_setup": "delete_iam_role",
    "instance_profile_setup": "delete_instance_profile",
    "security_group_setup": "security_group_setup_rollback",
    "listener_authorize_certificates": "listener_authorize_certificates_rollback",
    "listener_authorize_ingress": "listener_authorize_ingress_rollback",
    "scaling_group_setup": "scaling_group_setup_rollback",
    "enable_zones_persist": "enable_zones_persist_rollback",
}
STEPS: tuple[flow.Activity[..., Any], ...] = (
    activities.admission_control,
    activities.iam_role_setup,
    activities.instance_profile_setup,
    activities.iam_policy_setup,
    activities.security_group_setup,
    activities.tag_creator,
    activities.listener_check_certificates,
    activities.listener_authorize_certificates,
    activities.listener_authorize_ingress,
    activities.listener_default_health_check,
    activities.scaling_group_setup,
    activities.enable_zones_persist,
    activities.enable_zones_reset_backends,
    activities.create_load_balancer_commit,
    activities.start_continuous_workflows,
)


def test_all_steps_in_order(fakes: Fakes) -> None:
    outcome = fakes.run(CreateLoadBalancer, REQUEST).result()

    assert outcome == Outcome(OutcomeState.SUCCESS)
    assert set(fakes.log) == {name_of(step) for step in STEPS}
    positions = {name: fakes.log.index(name) for name in fakes.log}
    chain = [
        "admission_control",
        "iam_role_setup",
        "instance_profile_setup",
        "listener_check_certificates",
        "listener_authorize_ingress",
        "scaling_group_setup",
        "enable_zones_persist",
        "enable_zones_reset_backends",
        "create_load_balancer_commit",
        "start_continuous_workflows",
    ]
    assert [positions[name] for name in chain] == sorted(positions[name] for name in chain)
    assert fakes.log[-2:] == ["create_load_balancer_commit", "start_continuous_workflows"]
    assert fakes.given_to(activities.scaling_group_setup) == [
        ("profile-of-role", "group", ("a",)),
        ("profile-of-role", "group", ("b",)),
    ]


@pytest.mark.parametrize("step", STEPS, ids=name_of)
def test_a_failed_step_undoes_all_earlier_ones_in_reverse(fakes: Fakes, step: flow.Activity[..., Any]) -> None:
    fakes.on(step, fail(Refused("no such thing")))

    run = fakes.run(CreateLoadBalancer, REQUEST)
    outcome = run.result()

    assert outcome == Outcome(OutcomeState.FAILED, 400, "no such thing")
    assert run.state(Outcome) == outcome
    assert fakes.log[-1] == "create_load_balancer_rollback"
    failed_at = fakes.log.index(name_of(step))
    undone = [name for name in fakes.log[failed_at:] if name in UNDONE_BY.values()]
    done = [name for name in fakes.log if name in UNDONE_BY and name != name_of(step)]
    if step is activities.scaling_group_setup:  # may have launched VMs before it failed
        done += [name_of(step)] * 2
    assert sorted(undone) == sorted(UNDONE_BY[name] for name in done)
    in_order = list(
        dict.fromkeys(UNDONE_BY[name] for name in done if name in ("iam_role_setup", "enable_zones_persist"))
    )
    assert [name for name in undone if name in in_order] == in_order[::-1]


def test_parallel_steps_are_let_finish_before_anything_is_undone(fakes: Fakes) -> None:
    fakes.on(activities.iam_role_setup, fail(Refused("no")))

    fakes.run(CreateLoadBalancer, REQUEST).result()

    assert fakes.log.index("tag_creator") < fakes.log.index("security_group_setup_rollback")


def test_the_terminal_state_is_published_after_compensation(fakes: Fakes) -> None:
    seen: list[OutcomeState] = []
    fakes.on(activities.tag_creator, fail(Refused("no")))
    fakes.on(activities.create_load_balancer_rollback, lambda key: seen.append(run.state(Outcome).state))
    run = fakes.run(CreateLoadBalancer, REQUEST)

    run.result()

    assert seen == [OutcomeState.RUNNING]
    assert run.state(Outcome).state is OutcomeState.FAILED


def test_transient_failures_are_repeated_then_are_the_services_fault(fakes: Fakes) -> None:
    fakes.on(activities.tag_creator, fail(ConnectionError("cloud down")))

    outcome = fakes.run(CreateLoadBalancer, REQUEST).result()

    assert fakes.times(activities.tag_creator) == 3
    assert outcome.state is OutcomeState.FAILED
    assert outcome.status == 500
    assert "cloud down" in outcome.reason


def test_a_step_that_nobody_carries_out_times_out_and_is_undone(fakes: Fakes) -> None:
    fakes.on(activities.listener_check_certificates, fail(testing.TimesOut("SCHEDULE_TO_START")))

    outcome = fakes.run(CreateLoadBalancer, REQUEST).result()

    assert outcome.status == 500
    assert fakes.log[-1] == "create_load_balancer_rollback"


def test_the_failed_start_of_continuous_workflows_stops_those_that_were_started(fakes: Fakes) -> None:
    fakes.on(activities.start_continuous_workflows, fail(Refused("limit")))

    fakes.run(CreateLoadBalancer, REQUEST).result()

    after = fakes.log[fakes.log.index("start_continuous_workflows") + 1 :]
    assert after[0] == "stop_continuous_workflows"


def test_a_compensation_that_fails_does_not_stop_the_others(fakes: Fakes) -> None:
    fakes.on(activities.start_continuous_workflows, fail(Refused("limit")))
    fakes.on(activities.scaling_group_setup_rollback, fail(Refused("host gone")))

    outcome = fakes.run(CreateLoadBalancer, REQUEST).result()

    assert outcome == Outcome(OutcomeState.FAILED, 400, "limit")
    assert fakes.log[-1] == "create_load_balancer_rollback"
    assert fakes.times(activities.delete_iam_role) == 1


def test_cancellation_undoes_everything(fakes: Fakes) -> None:
    fakes.on(activities.listener_check_certificates, fail(testing.Never()))
    run = fakes.run(CreateLoadBalancer, REQUEST)
    run.run(until=lambda: "listener_check_certificates" in fakes.log)
    run.settle()

    run.swf.request_cancel()
    with pytest.raises(flow.WorkflowClosed, match="Canceled"):
        run.result()

    assert fakes.log[-1] == "create_load_balancer_rollback"
    assert fakes.times(activities.delete_iam_role) == 1
    assert run.state(Outcome).state is OutcomeState.CANCELLED


def test_no_ports_skip_the_listener_steps(fakes: Fakes) -> None:
    outcome = fakes.run(CreateLoadBalancer, workflows.CreateLoadBalancerInput(KEY, ("a",), ())).result()

    assert outcome.state is OutcomeState.SUCCESS
    assert fakes.times(activities.listener_check_certificates) == 0
