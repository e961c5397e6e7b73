"""Running workflows in a test."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Generic, Self

from elbflow import swf
from elbflow.flow import codec, errors, signatures
from elbflow.flow.recordings import format_history
from elbflow.flow.signatures import In, Out
from elbflow.flow.testing import waiting
from elbflow.flow.testing.errors import TestingError, WaitsForever
from elbflow.flow.testing.fake_work import Fakes
from elbflow.flow.testing.world import Running, World

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
_PATIENCE = timedelta(days=366)
_MOST_STEPS = 200_000


class Environment:
    """An SWF domain of its own, on virtual time, with the given workflows and fake activities.

    ``activities`` are fakes by activity (see :mod:`elbflow.flow.testing.fakes`), or an
    :class:`elbflow.flow.ActivityRegistry`. Whatever a workflow, a fake or the replay of a decision finds wrong is
    raised by the call that let it happen. ``now`` is when it begins. Leaving the block replays the executions that are
    open then, and ends fakes that still run.
    """

    def __init__(self, *, workflows: Sequence[type], activities: Fakes | None = None, now: datetime = BEGIN) -> None:
        self._world = World(workflows, activities if activities is not None else {}, now.timestamp())
        self._ids = itertools.count(1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                for running in self._world.open.values():
                    running.decider.check()
        finally:
            for running in self._world.open.values():
                running.decider.close()
            self._world.loop.cancel_all()

    @property
    def now(self) -> datetime:
        """The virtual time, aware, in UTC."""
        return datetime.fromtimestamp(self._world.now, UTC)

    async def run(self, signature: signatures.WorkflowSignature[In, Out], value: In, **options: Any) -> Out:
        """Start an execution and give its result; options and errors are those of :meth:`start` and ``result``."""
        handle = await self.start(signature, value, **options)
        return await handle.result()

    async def start(
        self,
        signature: signatures.WorkflowSignature[In, Out],
        value: In,
        *,
        workflow_id: str | None = None,
        tags: Sequence[str] = (),
    ) -> Handle[Out]:
        """Start an execution; nothing of it happens before time is given to it, by ``result`` or :meth:`advance`.

        Raises :class:`swf.AlreadyStarted` when an execution of this ``workflow_id`` is open.
        """
        name = workflow_id or f"{signature.name}-{next(self._ids)}"
        text = codec.encode(value, signature.input_type)
        running = self._world.start(signature.type, name, text, {"tagList": list(tags)})
        return Handle(self._world, running, signature)

    async def settle(self) -> None:
        """Let everything happen that takes no time."""
        await self.advance(timedelta(0))

    async def advance(self, by: timedelta) -> None:
        """Let time pass, and everything happen that is due meanwhile."""
        until = round(self._world.now + by.total_seconds(), 3)
        for _ in range(_MOST_STEPS):
            if not self._world.step(until):
                self._world.move_to(until)
                await asyncio.sleep(0)
                return
        raise TestingError(f"no rest after {_MOST_STEPS} steps; it is {self.now}")

    async def signal(self, workflow_id: str, signature: signatures.SignalSignature[In], value: In) -> None:
        """Signal the open execution of ``workflow_id``; raises :class:`swf.UnknownResource` when there is none."""
        self._open(workflow_id).swf.signal(signature.name, codec.encode(value, signature.input_type))

    async def cancel(self, workflow_id: str) -> None:
        """Ask the open execution to cancel itself; raises :class:`swf.UnknownResource` when there is none."""
        self._open(workflow_id).swf.request_cancel()

    def calls(self, activity: signatures.Activity[..., Any] | None = None) -> list[tuple[Any, ...]]:
        """Arguments of each call of ``activity``, oldest first; of all activities without one."""
        made = self._world.worker.calls
        return [call.arguments for call in made if activity is None or call.activity.type == activity.type]

    def called(self) -> list[str]:
        """Names of the activities that were carried out, oldest first."""
        return [call.activity.name for call in self._world.worker.calls]

    def handle(self, signature: signatures.WorkflowSignature[Any, Out], workflow_id: str) -> Handle[Out]:
        """An execution that was started already, by a workflow as its child for example; LookupError without one."""
        found = [one for one in self._world.runs if one.swf.execution.workflow_id == workflow_id]
        if not found:
            raise LookupError(f"there was never an execution {workflow_id}")
        return Handle(self._world, found[-1], signature)

    def _open(self, workflow_id: str) -> Running:
        if workflow_id not in self._world.open:
            raise swf.UnknownResource(f"there is no open execution {workflow_id}")
        return self._world.open[workflow_id]


class Handle(Generic[Out]):
    """One execution. Attributes show its newest run: continue-as-new is followed."""

    def __init__(self, world: World, running: Running, signature: signatures.WorkflowSignature[Any, Out]) -> None:
        self._world = world
        self._first = running
        self._signature = signature

    @property
    def execution(self) -> swf.Execution:
        return self._running.swf.execution

    @property
    def history(self) -> tuple[swf.HistoryEvent, ...]:
        """The events so far."""
        return tuple(self._running.swf.events)

    @property
    def status(self) -> str | None:
        """How it closed, as COMPLETED or TIMED_OUT; None while it is open."""
        closed = self._running.swf.closed
        return None if closed is None else _STATUS[closed]

    @property
    def runs(self) -> int:
        """How many runs there were: one more than times it continued as new."""
        count, running = 1, self._first
        while running.successor is not None:
            count, running = count + 1, running.successor
        return count

    def state(self, type_: type[Any]) -> Any:
        """What the workflow last published, by ``flow.set_state`` or its query."""
        return codec.decode(self._running.swf.execution_context, type_)

    def recorded(self) -> str:
        """The history as a file that ``elbflow replay`` and ``flow.replay_histories`` read."""
        return format_history(self.execution, self.history)

    async def signal(self, signature: signatures.SignalSignature[In], value: In) -> None:
        """Signal the open run; raises :class:`swf.UnknownResource` when it has closed."""
        self._open().swf.signal(signature.name, codec.encode(value, signature.input_type))

    async def cancel(self) -> None:
        """Ask the open run to cancel itself; raises :class:`swf.UnknownResource` when it has closed."""
        self._open().swf.request_cancel()

    async def terminate(self) -> None:
        """End the open run from outside; raises :class:`swf.UnknownResource` when it has closed."""
        self._world.close(self._open(), "WorkflowExecutionTerminated", {"cause": "OPERATOR_INITIATED"})

    async def result(self) -> Out:
        """Let time pass until the execution closes, for a year at most, and give its result.

        Raises :class:`errors.WorkflowFailed` and :class:`errors.WorkflowClosed` as callers of the workflow see them,
        :class:`WaitsForever` when nothing is left that could let it go on but its own timeout. (To see that one pass,
        use ``env.advance``.)
        """
        last = self._world.now + _PATIENCE.total_seconds()
        for _ in range(_MOST_STEPS):
            running = self._running
            if running.swf.closed is not None:
                await asyncio.sleep(0)
                return self._outcome(running)
            if not self._world.step(last, timeouts=False):
                raise WaitsForever(waiting.explain(running))
        raise TestingError(f"{self.execution.workflow_id} is still open after {_MOST_STEPS} steps")

    @property
    def _running(self) -> Running:
        running = self._first
        while running.successor is not None:
            running = running.successor
        return running

    def _open(self) -> Running:
        running = self._running
        if running.swf.closed is not None:
            raise swf.UnknownResource(f"{running.swf.execution.workflow_id} has closed as {self.status}")
        return running

    def _outcome(self, running: Running) -> Out:
        attributes = running.swf.close_event.attributes
        if running.swf.closed == "WorkflowExecutionCompleted":
            result: Out = codec.decode(_text(attributes.get("result")), self._signature.output_type)
            return result
        if running.swf.closed == "WorkflowExecutionFailed":
            raise errors.WorkflowFailed(str(attributes.get("reason")), _text(attributes.get("details")))
        raise errors.WorkflowClosed(str(self.status))


def _text(value: swf.Json) -> str | None:
    return value if isinstance(value, str) else None


_STATUS = {
    "WorkflowExecutionCompleted": "COMPLETED",
    "WorkflowExecutionFailed": "FAILED",
    "WorkflowExecutionCanceled": "CANCELED",
    "WorkflowExecutionTerminated": "TERMINATED",
    "WorkflowExecutionTimedOut": "TIMED_OUT",
    "WorkflowExecutionContinuedAsNew": "CONTINUED_AS_NEW",
}
