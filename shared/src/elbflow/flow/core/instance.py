"""One run of a workflow: its object, its loop, its open entities and timers, fed with one decision at a time.

It may stay in memory between decisions (see ``decide``): all it knows is in it, nothing is looked up in the history.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Iterator, Sized
from typing import TYPE_CHECKING, Any

from elbflow import errors as roots
from elbflow import swf
from elbflow.flow import codec, errors, failures, location
from elbflow.flow.core import closing, commands, events, matching, news
from elbflow.flow.core.child import Child
from elbflow.flow.core.loop import Loop
from elbflow.flow.core.markers import Markers
from elbflow.flow.core.succession import Succession
from elbflow.flow.core.timer import Timer

if TYPE_CHECKING:
    from elbflow.flow.definition import WorkflowDefinition


class Instance:
    """A workflow run. :meth:`advance` carries it through one decision; :meth:`close` puts it away."""

    def __init__(
        self, definition: WorkflowDefinition, execution: swf.Execution, patches: frozenset[str] = frozenset()
    ) -> None:
        self.definition = definition
        self.execution = execution
        self.loop = Loop(self)  # type: ignore[abstract]  # it refuses whatever it does not define
        self.replaying = False
        self.state: str | None = None
        self.workflow: Any = None
        self.input: object = None
        self.started: swf.HistoryEvent | None = None
        self.main: asyncio.Task[Any] | None = None
        self.outbox = commands.Outbox()
        self.markers = Markers(self.outbox, patches)
        self.entities: dict[int, commands.Entity] = {}
        """Activities, children and requests by the event that recorded them."""
        self.timers: dict[str, Timer] = {}
        self.unfinished = 0
        """Activities, children and rollbacks that a successor could not take over."""
        self.queues: list[Sized] = []
        self.receivers: dict[str, Callable[[str | None], None]] = {}
        self.kept_signals: dict[str, list[str | None]] = {}
        self.dropped_signals: list[str] = []
        self.history_length = 0
        self.succession = Succession()
        self.cancel_requested = False
        self.close_refused = False
        self.close_retry_refused = False
        self._refusal: roots.Permanent | None = None
        self._close_retry: Timer | None = None
        self._conditions: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self.activity_ids = itertools.count(1)
        self.timer_ids = itertools.count(1)
        self._buried = False
        self._defect: BaseException | None = None

    # --- fed by decide -----------------------------------------------------------------------------------------

    def advance(self, batch: events.Batch) -> tuple[commands.Command, ...]:
        """Carry the workflow, whose loop is entered, through one decision and return the commands it gives.

        A recorded decision is held against the record. Raises :class:`errors.NonDeterminism`, or another defect of
        the workflow's code; the instance is of no use afterwards.
        """
        self.replaying = batch.recorded is not None
        self.history_length = batch.started.id
        self.markers.batch = batch
        self.loop.move_to(batch.started.timestamp)
        if self.close_retry_refused:
            self._close_again()
        try:
            news.apply(self, batch.news)
            self._settle()
            self._end()
            self._publish()
        except roots.Defect:
            raise
        except Exception as error:
            raise failures.defect(error) from error
        taken = self.outbox.take()
        if self.replaying:
            matching.match(taken, batch, self.entities, self._whereabouts)
        return taken

    def close(self) -> None:
        """Unwind the workflow's tasks without giving their cleanup any effect."""
        self.replaying = True
        self.loop.close_tasks()
        self._conditions.clear()

    @property
    def task_list(self) -> str:
        """The list of decision tasks that the execution was started with."""
        task_list = None if self.started is None else self.started.attributes.get("taskList")
        return str(task_list.get("name")) if isinstance(task_list, dict) else ""

    # --- told by the news --------------------------------------------------------------------------------------

    def start(self, event: swf.HistoryEvent) -> None:
        """Make the workflow object and its main task."""
        self.started = event
        self.input = codec.decode(events.text(event, "input"), self.definition.signature.input_type)
        self.workflow = self.definition.cls()
        self.receivers |= self.definition.receivers(self.workflow)
        self.main = self.loop.create_task(self.workflow.run(self.input), name="run")

    def signaled(self, name: str, payload: str | None) -> None:
        """Pass a signal on, or keep it until somebody asks. Anybody may send one: what is unreadable is dropped."""
        if name not in self.receivers:
            self.kept_signals.setdefault(name, []).append(payload)
            return
        try:
            self.receivers[name](payload)
        except errors.PayloadMismatch as error:
            self.dropped_signals.append(f"{name}: {error}")

    def refuse(self, error: roots.Permanent) -> None:
        """SWF refused what nobody awaits: stop the workflow, which fails with ``error`` unless it goes on."""
        if self._refusal is None and self.main is not None and not self.main.done():
            self._refusal = error
            self.main.cancel()

    # --- asked by workflow code --------------------------------------------------------------------------------

    def ask(self, decision: swf.Decision, entity: commands.Entity, at: str | None = None) -> commands.Command:
        """Ask for ``decision``; what history says about it from then on is news to ``entity``."""
        return self.outbox.add(decision, entity, at)

    def concerns_others(self) -> bool:
        """Whether other executions are still to hear of something; what that waits for brings a decision."""
        untold = any(isinstance(entity, Child) and entity.is_to_be_told for entity in self.entities.values())
        return untold or any(timer.lasting for timer in self.timers.values()) or self.outbox.concerns_others()

    def when(self, predicate: Callable[[], bool]) -> asyncio.Future[None]:
        """A future that is done as soon as ``predicate`` holds."""
        future: asyncio.Future[None] = self.loop.create_future()
        self._conditions.append((predicate, future))
        return future

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Inside the block something is half-done that a successor could not take over."""
        self.unfinished += 1
        try:
            yield
        finally:
            self.unfinished -= 1

    def withhold(self, error: BaseException) -> None:
        """Stop here: ``error`` is a defect, and nothing may follow from it."""
        self._defect = self._defect or error

    # --- inside ------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        self.loop.run_ready(self._over)
        while not self._over() and self._wake():
            self.loop.run_ready(self._over)
        if self.loop.callback_error is not None:
            self.withhold(self.loop.callback_error)
        if self._defect is not None:
            raise failures.defect(self._defect)

    def _over(self) -> bool:
        return self.main is None or self.main.done() or self._defect is not None

    def _wake(self) -> bool:
        woken, waiting = False, []
        for predicate, future in self._conditions:
            if future.done():
                continue
            if predicate():
                future.set_result(None)
                woken = True
            else:
                waiting.append((predicate, future))
        self._conditions = waiting
        return woken

    def _end(self) -> None:
        """Close the execution once the workflow has ended or wants a successor; a minute later if SWF refused that."""
        if self.main is None:
            return
        if self.succession.is_overdue(self):
            self.main.cancel()
            self._settle()
        if not self.main.done() and not self.succession.is_due(self):
            return
        if self.main.done() and not self._buried:
            self._buried = True
            self.outbox.bury()
        if self.concerns_others():
            return  # others hear of it first
        if self.close_refused:
            self._close_retry = self._close_retry or Timer(self, closing.RETRY_S, self._close_again)
            return
        decision, at = self._last_word(self.main)
        self.outbox.bury()
        self.outbox.add(decision, at=at)
        for name, payloads in self.kept_signals.items():
            self.dropped_signals += [f"{name}: nobody asked for it"] * len(payloads)

    def _publish(self) -> None:
        """Have the workflow's query, if there is one, say what it is about."""
        waiting = len(self.outbox)
        if self.definition.query is not None and self.main is not None and not self.replaying:
            self.state = self.definition.query(self.workflow)
        if len(self.outbox) != waiting:
            raise errors.WorkflowDefect("a query only looks; it asks for nothing")

    def _close_again(self) -> None:
        self.close_refused, self.close_retry_refused, self._close_retry = False, False, None

    def _last_word(self, main: asyncio.Task[Any]) -> tuple[swf.Decision, str]:
        """The decision that closes the execution, and the line of code that led to it."""
        assert self.started is not None, "a workflow runs only after its start event"
        signature, begun = self.definition.signature, location.of_function(self.definition.cls.run)
        error = self._ended_in(main)
        if error is None:
            return closing.completed(main.result(), signature.output_type), begun
        at = location.of_error(error) or begun
        successor = failures.continuation(error)
        if successor is not None:
            return closing.continued(successor.value, signature, self.started.attributes), at
        return closing.ending(error), at

    def _ended_in(self, main: asyncio.Task[Any]) -> BaseException | None:
        ordered = self.succession.ordered and not self.cancel_requested and self._refusal is None
        if not main.done() or (main.cancelled() and ordered):
            return errors.ContinueAsNew(self.succession.carry())
        if main.cancelled():
            return self._refusal or (roots.Cancelled("") if self.cancel_requested else asyncio.CancelledError())
        return main.exception()

    def _whereabouts(self) -> str:
        return "" if self.main is None or self.main.done() else location.of_task(self.main)
