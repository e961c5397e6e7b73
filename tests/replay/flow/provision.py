"""The workflow whose recorded histories are replayed here, and how they were recorded.

``python -m tests.replay.flow.provision`` writes them anew: only after a change of this workflow or of the runtime that
is meant to break executions in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from elbflow import errors, flow
from elbflow.flow import guards
from elbflow.flow.core import decide
from elbflow.flow.recordings import format_history
from elbflow.testing import Never, WorkflowRun

HISTORIES = pathlib.Path(__file__).with_name("histories")


@flow.abstract_activity(name="create", version="1", start_to_close=timedelta(seconds=30))
async def create(name: str) -> str:
    """Create a resource and give its id."""


@flow.abstract_activity(name="delete", version="1", start_to_close=timedelta(seconds=30))
async def delete(name: str) -> None:
    """Delete a resource."""


@flow.abstract_activity(
    name="probe", version="1", start_to_close=timedelta(seconds=30), retry=flow.RetryPolicy(3, timedelta(seconds=2))
)
async def probe(id_: str) -> bool:
    """Whether a resource works."""


PROVISION = flow.WorkflowSignature("Provision", "1.0", tuple[str, ...], int, timedelta(hours=1), timedelta(seconds=60))
HURRY = flow.SignalSignature("hurry", int)


@flow.workflow(PROVISION)
class Provision:
    """Creates resources side by side, waits for them to work, and takes all back when one does not."""

    def __init__(self) -> None:
        self.hurry = 0

    async def run(self, names: tuple[str, ...]) -> int:
        async with flow.compensate() as undo:
            async with asyncio.TaskGroup() as group:
                made = [group.create_task(self._create(name, undo)) for name in names]
            flow.set_state({"created": len(made)})
            await flow.wait_condition(lambda: self.hurry > 0, timedelta(seconds=30))
            works = 0
            for step in asyncio.as_completed([self._probe(task.result()) for task in made]):
                works += await step
            if not works:
                raise errors.Permanent("nothing works")
        if self.hurry > 1:
            raise flow.continue_as_new(names[:1])
        return works

    @flow.signal(HURRY)
    def on_hurry(self, value: int) -> None:
        self.hurry = value

    async def _create(self, name: str, undo: flow.Compensation) -> str:
        undo.push(delete, name)
        return await create(name)

    async def _probe(self, id_: str) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                return await probe(id_)
        return False


def _run(**functions: Callable[..., Any]) -> WorkflowRun:
    bound: dict[flow.Activity[..., Any], Callable[..., Any]] = {
        create: functions.get("create", lambda name: f"id-{name}"),
        delete: lambda name: None,
        probe: functions.get("probe", lambda id_: True),
    }
    return WorkflowRun(Provision, ("a", "b", "c"), activities=bound, tags=("account:1",))


def _raise(error: Exception) -> Any:
    raise error


def _answer_late(run: WorkflowRun, meanwhile: Callable[[], None]) -> None:
    with guards.guarded():
        decided = decide.decide(Provision, run.swf.poll(), execution=run.swf.execution)
    meanwhile()
    run.swf.respond(decided.decisions, decided.execution_context)


def completed() -> WorkflowRun:
    run = _run()
    run.run()
    return run


def failed_and_compensated() -> WorkflowRun:
    run = _run(probe=lambda id_: _raise(OSError("down")))
    run.run()
    return run


def create_fails_while_others_run() -> WorkflowRun:
    run = _run(create=lambda name: _raise(errors.Permanent("quota")) if name == "c" else _raise(Never()))
    run.run()
    return run


def probes_time_out() -> WorkflowRun:
    run = _run(probe=lambda id_: True if id_ == "id-a" else _raise(Never()))
    run.run()
    return run


def cancelled() -> WorkflowRun:
    run = _run()
    run.settle()
    run.swf.request_cancel()
    run.run()
    return run


def signal_during_decision() -> WorkflowRun:
    run = _run()
    _answer_late(run, lambda: run.signal(HURRY, 1))
    run.run()
    return run


def close_overtaken_then_continued() -> WorkflowRun:
    run = _run()
    while not any(event.type == "CompleteWorkflowExecutionFailed" for event in run.swf.events):
        if run.swf.decision_waits and len(run.calls) == 6:
            _answer_late(run, lambda: run.signal(HURRY, 2))
        else:
            run.step()
    run.run()
    return run


def decision_timed_out() -> WorkflowRun:
    run = _run()
    run.swf.poll()
    run.swf.advance(60)
    run.swf.time_out_decision()
    run.signal(HURRY, 1)
    run.swf.poll()
    run.swf.advance(60)
    run.swf.time_out_decision()
    run.run()
    return run


def schedule_refused() -> WorkflowRun:
    run = _run()
    causes = iter(["ACTIVITY_TYPE_DEPRECATED"])
    run.swf.refuse = lambda decision: next(causes, None) if decision.type == "ScheduleActivityTask" else None
    run.run()
    return run


SCENARIOS: tuple[Callable[[], WorkflowRun], ...] = (
    completed,
    failed_and_compensated,
    create_fails_while_others_run,
    probes_time_out,
    cancelled,
    signal_during_decision,
    close_overtaken_then_continued,
    decision_timed_out,
    schedule_refused,
)


def main() -> None:
    HISTORIES.mkdir(exist_ok=True)
    for scenario in SCENARIOS:
        run = scenario().swf
        (HISTORIES / f"{scenario.__name__}.json").write_text(format_history(run.execution, run.events))


if __name__ == "__main__":
    main()
