"""Answering decision tasks, and leaving them unanswered."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from elbflow import flow, swf
from elbflow.clock import ManualClock

TOKEN = "token"


class Worker:
    """A worker for one program and the tasks its run would get."""

    def __init__(self, programs: Any, body: Any, service: Any, scheduler: Any) -> None:
        self.run = programs.run(body)
        self.clock = ManualClock()
        self.registry = CollectorRegistry()
        self.worker = flow.DecisionWorker(
            service,
            scheduler,
            domain="domain",
            task_list="list",
            workflows=[self.run.workflow_class],
            identity="host:1",
            clock=self.clock,
            metrics=flow.Metrics(self.registry),
        )

    def task(self, **changes: Any) -> swf.DecisionTask:
        events = self.run.swf.poll()
        given: dict[str, Any] = {
            "token": TOKEN,
            "execution": self.run.swf.execution,
            "workflow_type": self.run.swf.workflow_type,
            "started_event_id": events[-1].id,
            "previous_started_event_id": 0,
            "events": events,
        }
        return swf.DecisionTask(**(given | changes))

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels or {"workflow_type": "body"}) or 0.0


async def body(self: Any, number: int) -> int:
    flow.set_state("working")
    await flow.sleep(number)
    return number


async def broken(self: Any, number: int) -> int:
    raise KeyError("bug")


@pytest.fixture
def worker(programs: Any, service: Any, scheduler: Any) -> Worker:
    return Worker(programs, body, service, scheduler)


@pytest.fixture
def faulty(programs: Any, service: Any, scheduler: Any) -> Worker:
    return Worker(programs, broken, service, scheduler)


async def test_it_registers_its_types_and_polls_while_it_is_open(worker: Worker, service: Any, scheduler: Any) -> None:
    service.faults = [swf.AlreadyExists()]
    async with worker.worker:
        (task_list, options), (own_list, own) = scheduler.lanes
        assert task_list == swf.TaskList(swf.TaskKind.DECISION, "domain", "list")
        assert (options["slots"], options["lane_class"]) == (8, "decider")
        assert own_list.name.startswith("sticky-host-1-")
        assert (own["slots"], own["lane_class"], own["start_at_previous"]) == (8, "decider-sticky", True)
        assert scheduler.closed == 0
    assert scheduler.closed == 2
    assert service.names[0] == "register_workflow_type"
    assert service.calls[0][1] == ("domain", swf.TypeId("body", "1.0"))
    assert service.calls[0][2]["task_list"] == "list"


async def test_it_decides_and_publishes_the_state(worker: Worker, service: Any) -> None:
    await worker.worker.handle(worker.task())
    ((name, args, kwargs),) = service.calls
    assert name == "respond_decision_task_completed"
    assert args == (TOKEN, (swf.Decision("StartTimer", {"timerId": "1", "startToFireTimeout": "1"}),))
    assert kwargs == {"execution_context": '"working"'}
    assert worker.metric("flow_decision_seconds_count") == 1
    assert worker.metric("flow_decision_defects_total") == 0


async def test_it_fetches_all_pages(worker: Worker, service: Any) -> None:
    whole = worker.task()
    service.pages = {"p1": (list(whole.events[1:2]), "p2"), "p2": (list(whole.events[2:]), None)}
    first = swf.DecisionTask(
        TOKEN, whole.execution, whole.workflow_type, 3, 0, events=whole.events[:1], next_page_token="p1"
    )
    await worker.worker.handle(first)
    assert service.names == ["decision_task_page", "decision_task_page", "respond_decision_task_completed"]


async def test_an_answer_that_nobody_wants_is_counted(worker: Worker, service: Any) -> None:
    service.faults = [swf.UnknownResource("Unknown decision task")]
    await worker.worker.handle(worker.task())
    assert worker.metric("flow_decisions_stale_total") == 1
    assert worker.metric("flow_decision_defects_total") == 0


async def test_an_answer_that_does_not_get_through_is_logged(worker: Worker, service: Any) -> None:
    service.faults = [swf.Unavailable("down")]
    with structlog.testing.capture_logs() as logs:
        await worker.worker.handle(worker.task())
    assert [entry["event"] for entry in logs] == ["decision_not_delivered"]


async def test_an_answer_that_swf_calls_invalid_is_a_defect(worker: Worker, service: Any) -> None:
    service.faults = [swf.Invalid("Close must be last")]
    await worker.worker.handle(worker.task())
    assert worker.metric("flow_decision_defects_total") == 1


async def test_a_defect_is_withheld_counted_logged_and_backed_off(faulty: Worker, service: Any) -> None:
    task = faulty.task()
    with structlog.testing.capture_logs() as logs:
        await faulty.worker.handle(task)
    assert service.calls == []
    (entry,) = logs
    assert entry["event"] == "decision_withheld"
    assert entry["log_level"] == "error"
    assert entry["source"].startswith(__file__)
    assert entry["pause_s"] == 5.0
    assert entry["workflow_id"] == "workflow-1"

    with structlog.testing.capture_logs() as logs:
        await faulty.worker.handle(task)  # too early: not even looked at
        await faulty.clock.advance(5)
        await faulty.worker.handle(task)
        await faulty.clock.advance(9)
        await faulty.worker.handle(task)
    assert [entry["pause_s"] for entry in logs] == [10.0]
    assert faulty.metric("flow_decision_defects_total", workflow_type="broken") == 4
    assert service.calls == []


async def test_repaired_code_goes_on(programs: Any, faulty: Worker, service: Any, scheduler: Any) -> None:
    task = faulty.task()
    await faulty.worker.handle(task)

    async def broken(self: Any, number: int) -> int:
        return number

    repaired = Worker(programs, broken, service, scheduler)
    await repaired.worker.handle(task)
    assert service.named("respond")[0][1][0].type == "CompleteWorkflowExecution"


async def test_a_type_this_worker_does_not_have_is_withheld(worker: Worker, service: Any) -> None:
    await worker.worker.handle(worker.task(workflow_type=swf.TypeId("other", "1")))
    assert service.calls == []
    assert worker.metric("flow_decision_defects_total", workflow_type="other") == 1


async def test_dropped_signals_and_lost_errors_are_reported(programs: Any, service: Any, scheduler: Any) -> None:
    import asyncio

    async def body(self: Any, number: int) -> int:
        async def child() -> None:
            raise ValueError("unseen")

        self.task = asyncio.create_task(child())
        await asyncio.sleep(0)
        return number

    worker = Worker(programs, body, service, scheduler)
    worker.run.swf.signal("unheard of")
    with structlog.testing.capture_logs() as logs:
        await worker.worker.handle(worker.task())
    assert [entry["event"] for entry in logs] == ["signal_dropped", "background_task_failed"]
    assert worker.metric("flow_signals_dropped_total") == 1
    assert service.names == ["respond_decision_task_completed"]


async def test_workflows_must_be_decorated(service: Any, scheduler: Any) -> None:
    with pytest.raises(TypeError):
        flow.DecisionWorker(service, scheduler, domain="d", task_list="l", workflows=[Worker], identity="i")
