"""UpdateLoadBalancer on virtual time: pushes, coalescing, isolation of failing VMs, continue-as-new, cancellation."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from tests.unit.decider.fakes import KEY, Fakes, Refused, current_list, fail

from elbflow import flow, testing
from elbflow.contract import activities, document, transport, vm_activities, workflows
from elbflow.contract.workflows import UPDATE_IMMEDIATELY
from elbflow_decider.workflows import UpdateLoadBalancer, update_load_balancer

REQUEST = workflows.LoadBalancerInput(KEY)


def pushes(fakes: Fakes) -> list[int]:
    """Generations that VMs were given, in order."""
    return [arguments[0].generation for arguments in fakes.given_to(vm_activities.set_load_balancer)]


def test_every_vm_is_configured_at_the_start_and_its_proof_stored(fakes: Fakes) -> None:
    fakes.vms = ["i-1", "i-2"]
    run = fakes.run(UpdateLoadBalancer, REQUEST)

    run.settle()

    assert pushes(fakes) == [1, 1]
    assert sorted(vm for vm, _ in fakes.given_to(activities.record_applied)) == ["i-1", "i-2"]
    assert _task_lists(run) == {"i-1", "i-2"}


def test_a_signal_pushes_the_newest_generation(fakes: Fakes) -> None:
    run = fakes.run(UpdateLoadBalancer, REQUEST)
    run.settle()

    fakes.generation = 2
    run.signal(UPDATE_IMMEDIATELY, 2)
    run.settle()

    assert pushes(fakes) == [1, 2]


def test_a_change_reaches_all_vms_in_five_tasks_and_three_steps(fakes: Fakes) -> None:
    fakes.vms = ["i-1", "i-2"]
    run = fakes.run(UpdateLoadBalancer, REQUEST)
    run.settle()
    past = len(run.swf.events)

    run.signal(UPDATE_IMMEDIATELY, 2)
    run.settle()

    scheduled = [event for event in run.swf.events[past:] if event.type == "ActivityTaskScheduled"]
    decisions = [event.attributes["decisionTaskCompletedEventId"] for event in scheduled]
    assert len(scheduled) == 5
    assert decisions[1] == decisions[2]  # both are pushed to at the same time, with what one task looked up


def test_documents_too_large_to_travel_together_are_looked_up_one_by_one(fakes: Fakes) -> None:
    fakes.vms = ["i-1", "i-2"]
    vms = tuple(activities.ServingVm(vm) for vm in fakes.vms)
    fakes.on(activities.lookup_zones, lambda key: (activities.ServingZone(vms, None),))
    run = fakes.run(UpdateLoadBalancer, REQUEST)

    run.settle()

    assert sorted(vm for (vm,) in fakes.given_to(activities.lookup_document)) == ["i-1", "i-2"]
    assert pushes(fakes) == [1, 1]


PARCEL = transport.Parcel("digest", 3)


def _part(key: document.LoadBalancerKey, vm: str, parcel: transport.Parcel, index: int) -> transport.Part:
    return transport.Part(parcel, index, f"text of {index}")


def _in_parts(fakes: Fakes) -> None:
    """No payload can carry the document; the VM answers the last part."""
    fakes.on(activities.lookup_zones, lambda key: (activities.ServingZone((activities.ServingVm("i-1"),), None),))
    fakes.on(activities.lookup_document, lambda key, vm: PARCEL)
    fakes.on(activities.lookup_document_part, _part)
    fakes.on(
        vm_activities.set_load_balancer_part,
        lambda part: document.Applied(9, "hash") if part.index == PARCEL.parts - 1 else None,
    )


def test_a_document_that_no_payload_can_carry_travels_in_parts(fakes: Fakes) -> None:
    _in_parts(fakes)
    run = fakes.run(UpdateLoadBalancer, REQUEST)

    run.settle()

    sent = [part for (part,) in fakes.given_to(vm_activities.set_load_balancer_part)]
    assert sent == [_part(KEY, "i-1", PARCEL, index) for index in range(3)]
    assert fakes.given_to(activities.record_applied) == [("i-1", document.Applied(9, "hash"))]
    assert pushes(fakes) == []
    assert _task_lists(run) == {"i-1"}


def test_a_document_that_changes_while_its_parts_are_looked_up_is_looked_up_again(fakes: Fakes) -> None:
    _in_parts(fakes)
    answers = iter([_part(KEY, "i-1", PARCEL, 0), None])
    fakes.on(activities.lookup_document_part, lambda *given: next(answers, _part(*given)))
    run = fakes.run(UpdateLoadBalancer, REQUEST)
    run.settle()
    assert fakes.times(vm_activities.set_load_balancer_part) == 0

    begun = run.swf.now
    run.run(until=lambda: fakes.times(activities.record_applied) == 1)

    assert fakes.times(activities.lookup_document) == 2
    assert run.swf.now - begun < 5
    assert fakes.times(activities.record_vm_failure) == 0


def test_a_vm_that_lost_parts_gets_all_again_after_growing_pauses(fakes: Fakes) -> None:
    _in_parts(fakes)
    fakes.on(vm_activities.set_load_balancer_part, _fail_at_the_end)
    run = fakes.run(UpdateLoadBalancer, REQUEST)

    run.run(until=lambda: fakes.times(activities.record_vm_failure) == 3)

    assert fakes.times(vm_activities.set_load_balancer_part) == 9
    assert run.swf.now >= 2 + 4
    assert fakes.times(activities.record_applied) == 0


def _fail_at_the_end(part: transport.Part) -> None:
    if part.index == PARCEL.parts - 1:
        raise transport.Damaged


def test_signals_during_a_push_coalesce_into_one(fakes: Fakes) -> None:
    def push(doc: document.LoadBalancerDocument) -> document.Applied:
        if doc.generation == 1:
            for generation in (2, 3, 4):
                fakes.generation = generation
                run.signal(UPDATE_IMMEDIATELY, generation)
        return document.Applied(doc.generation, "")

    fakes.on(vm_activities.set_load_balancer, push)
    run = fakes.run(UpdateLoadBalancer, REQUEST)

    run.settle()

    assert pushes(fakes) == [1, 4]


def test_without_signals_it_refreshes_every_quarter_of_an_hour(fakes: Fakes) -> None:
    run = fakes.run(UpdateLoadBalancer, REQUEST)
    begun = run.swf.now

    run.run(until=lambda: len(pushes(fakes)) == 3)

    assert run.swf.now - begun == pytest.approx(1800, abs=5)


def test_a_failing_vm_is_retried_with_growing_pauses_and_delays_no_other(fakes: Fakes) -> None:
    fakes.vms = ["i-1", "i-2"]
    attempts: list[float] = []

    def apply(doc: document.LoadBalancerDocument) -> document.Applied:
        if current_list(run) == "i-1":
            attempts.append(run.swf.now)
            raise testing.TimesOut("SCHEDULE_TO_START")
        return document.Applied(doc.generation, "")

    fakes.on(vm_activities.set_load_balancer, apply)
    run = fakes.run(UpdateLoadBalancer, REQUEST)
    run.settle()

    assert [vm for vm, _ in fakes.given_to(activities.record_applied)] == ["i-2"]

    fakes.generation = 2
    run.signal(UPDATE_IMMEDIATELY, 2)
    run.settle()
    assert [one.generation for vm, one in fakes.given_to(activities.record_applied) if vm == "i-2"] == [1, 2]

    attempts.clear()
    run.run(until=lambda: len(attempts) == 6)
    gaps = [round(later - earlier) for earlier, later in itertools.pairwise(attempts)]
    assert gaps == sorted(gaps)
    assert gaps[-1] <= 61
    assert {vm for vm, *_ in fakes.given_to(activities.record_vm_failure)} == {"i-1"}


def test_a_vm_that_recovers_gets_the_newest_document(fakes: Fakes) -> None:
    fakes.on(vm_activities.set_load_balancer, fail(ConnectionError("no servo")))
    run = fakes.run(UpdateLoadBalancer, REQUEST)
    run.run(until=lambda: fakes.times(activities.record_vm_failure) == 2)

    fakes.generation = 7
    fakes.on(vm_activities.set_load_balancer, lambda doc: document.Applied(doc.generation, ""))
    run.run(until=lambda: fakes.times(activities.record_applied) == 1)

    assert fakes.given_to(activities.record_applied)[0][1].generation == 7


def test_a_vm_that_is_gone_gets_nothing_more(fakes: Fakes) -> None:
    fakes.vms = ["i-1", "i-2"]
    run = fakes.run(UpdateLoadBalancer, REQUEST)
    run.settle()

    fakes.vms = ["i-2"]
    run.signal(UPDATE_IMMEDIATELY, 2)
    run.settle()

    assert [vm for vm, _ in fakes.given_to(activities.record_applied)].count("i-1") == 1


def test_it_continues_as_new_after_twenty_rounds(fakes: Fakes) -> None:
    run = fakes.run(UpdateLoadBalancer, REQUEST)

    for generation in range(update_load_balancer.MOST_ROUNDS + 1):
        run.settle()
        if run.swf.closed:
            break
        run.signal(UPDATE_IMMEDIATELY, generation)

    run.run()
    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"
    assert len(pushes(fakes)) <= update_load_balancer.MOST_ROUNDS
    assert flow.decode(str(run.swf.close_event.attributes["input"]), workflows.LoadBalancerInput) == REQUEST


def test_a_dead_vm_does_not_grow_the_history_without_end(fakes: Fakes) -> None:
    fakes.on(vm_activities.set_load_balancer, fail(testing.TimesOut("SCHEDULE_TO_START")))
    run = fakes.run(UpdateLoadBalancer, REQUEST)

    run.run()

    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"
    assert len(run.swf.events) < update_load_balancer.MOST_EVENTS + 50


def test_a_run_configures_all_of_many_vms_and_comes_to_rest(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update_load_balancer, "MOST_EVENTS", 250)
    fakes.vms = [f"i-{number}" for number in range(30)]
    run = fakes.run(UpdateLoadBalancer, REQUEST)

    run.settle()

    assert not run.swf.closed
    assert len(run.swf.events) > 250
    assert sorted(vm for vm, _ in fakes.given_to(activities.record_applied)) == sorted(fakes.vms)
    assert run.swf.activities == {}


def test_a_signal_while_it_ends_is_not_lost(fakes: Fakes) -> None:
    fakes.on(vm_activities.set_load_balancer, fail(testing.Never()))
    run = fakes.run(UpdateLoadBalancer, REQUEST)
    for generation in range(update_load_balancer.MOST_ROUNDS + 1):
        run.settle()
        if not run.swf.closed:
            run.signal(UPDATE_IMMEDIATELY, generation)

    run.settle()

    # The push in flight would be waited for, but the newest signal matters more: the next run begins with a look-up.
    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"


def test_cancellation_ends_it(fakes: Fakes) -> None:
    run = fakes.run(UpdateLoadBalancer, REQUEST)
    run.settle()

    run.swf.request_cancel()
    with pytest.raises(flow.WorkflowClosed, match="Canceled"):
        run.result()


def test_a_deleted_load_balancer_ends_it(fakes: Fakes) -> None:
    run = fakes.run(UpdateLoadBalancer, REQUEST)
    run.settle()
    fakes.on(activities.lookup_zones, fail(Refused("There is no load balancer web")))
    run.signal(UPDATE_IMMEDIATELY, 2)

    with pytest.raises(flow.WorkflowFailed, match="ActivityFailed"):
        run.result()


def _task_lists(run: testing.WorkflowRun) -> set[str]:
    return {
        _name(event.attributes["taskList"])
        for event in run.swf.events
        if event.type == "ActivityTaskScheduled" and _name(event.attributes["taskList"]) != "default"
    }


def _name(task_list: Any) -> str:
    return str(task_list["name"])
