"""Decisions that take too long are seen, and in the end stopped (spec/anchors 3.8 rule 8).

A decision runs on its worker's event loop, so while one is stuck the whole process is: no poll, no answer, no health
page. One daemon thread per process looks at what is being decided, from the first decision on until ten seconds
without one, and acts twice:

* over its **budget** (2 s) a decision has its stack written to the log, once, and is counted; it goes on;
* over its **limit** (ten budgets) it is reported again and an exception is raised inside it, which no ``except
  Exception`` catches; one that is caught even so is raised again each round. A workflow that loops without an await
  (``while True: pass``) is ended only by this. The decision is withheld, as for any defect (:class:`DecisionStuck`),
  and the process serves its other workflows.

The exception is raised only while the innermost frame is workflow code, never amid the runtime or asyncio. A call
into C that does not return (a sleep, a runaway regular expression) cannot be ended so; the process's own ``/livez``,
which does not answer then, is the last resort. A decision costs the watchdog two dictionary operations and no lock.

Nothing ends the thread but idleness: not an error of what it calls, the log included.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

import structlog

from elbflow.flow import deciding, errors, location

BUDGET_S = 2.0
LIMIT_BUDGETS = 10
SHOWN_FRAMES = 40
_ROUND_S = 0.25
_IDLE_ROUNDS = 40

_log = structlog.get_logger(__name__)


class DecisionStuck(errors.WorkflowDefect):
    """The decision ran past its limit and was stopped."""

    def __init__(self, message: str = "the decision did not come to rest within its time limit") -> None:
        super().__init__(message)


class _Stop(BaseException):
    """Raised inside a decision past its limit; outside of it, :class:`DecisionStuck` stands for it."""


@dataclass(slots=True)
class _Decision:
    """One decision under way; ``thread`` decides it. Only the watchdog changes it."""

    thread: int
    run: str
    workflow_type: str
    began_s: float
    budget_s: float
    on_overrun: Callable[[], None] | None
    overrun: bool = False
    stopped: bool = False


class Watchdog:
    """Looks after the decisions of a process. Everybody shares the module's own; tests make theirs.

    ``monotonic`` gives seconds; with ``threaded`` False nobody calls :meth:`look` but the test.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, *, threaded: bool = True) -> None:
        self._monotonic = monotonic
        self._threaded = threaded
        self._open: dict[int, _Decision] = {}
        self._stopping = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def watched(
        self,
        run: str,
        workflow_type: str,
        *,
        budget_s: float = BUDGET_S,
        on_overrun: Callable[[], None] | None = None,
    ) -> Iterator[None]:
        """Watch the block, which decides for ``run`` in this thread without awaiting.

        ``on_overrun`` is called once, in the watchdog's thread, when the block exceeds ``budget_s``. Raises
        :class:`DecisionStuck` when the block was stopped, whatever became of the exception inside it.
        """
        thread = threading.get_ident()
        decision = _Decision(thread, run, workflow_type, self._monotonic(), budget_s, on_overrun)
        self._open[thread] = decision
        if self._threaded and not self._is_looking():
            self._start()
        try:
            try:
                yield
            finally:
                self._leave(decision)
        except BaseException as error:
            if decision.stopped and not isinstance(error, KeyboardInterrupt):
                raise DecisionStuck from error
            raise
        if decision.stopped:
            raise DecisionStuck

    def look(self) -> None:
        """One round: report decisions over budget, stop those over the limit."""
        now_s = self._monotonic()
        for decision in tuple(self._open.values()):
            late_s = now_s - decision.began_s
            if late_s > decision.budget_s and not decision.overrun:
                decision.overrun = True
                self._report("decision_over_budget", decision, late_s)
                if decision.on_overrun is not None:
                    with _surviving():
                        decision.on_overrun()
            if late_s > decision.budget_s * LIMIT_BUDGETS:
                self._stop(decision, late_s)

    def _leave(self, decision: _Decision) -> None:
        self._open.pop(decision.thread, None)
        if decision.stopped:
            with self._stopping:  # the watchdog has finished with this thread; what it raised last must not land
                _raise_in(decision.thread, None)

    def _stop(self, decision: _Decision, late_s: float) -> None:
        with self._stopping:
            first, decision.stopped = not decision.stopped, True
            if first:
                self._report("decision_stuck", decision, late_s)
            frame = sys._current_frames().get(decision.thread)
            if self._open.get(decision.thread) is decision and frame is not None and location.is_workflows(frame):
                _raise_in(decision.thread, _Stop)

    def _report(self, event: str, decision: _Decision, late_s: float) -> None:
        with _surviving():
            _log.error(
                event,
                workflow_type=decision.workflow_type,
                run_id=decision.run,
                seconds=round(late_s, 3),
                budget_s=decision.budget_s,
                stack=_stack(sys._current_frames().get(decision.thread)),
            )

    def _is_looking(self) -> bool:
        """Whether there is a thread and it is alive: in a forked process it is not."""
        return self._thread is not None and self._thread.is_alive()

    def _start(self) -> None:
        with self._starting, deciding.lifted():
            if self._is_looking():
                return
            self._thread = threading.Thread(target=self._keep_looking, name="flow-watchdog", daemon=True)
            self._thread.start()

    def _keep_looking(self) -> None:
        idle = 0
        while idle < _IDLE_ROUNDS:
            time.sleep(_ROUND_S)
            idle = 0 if self._open else idle + 1
            with _surviving():
                self.look()
        self._thread = None
        if self._open:  # began just before the line above, and took this thread for alive
            self._start()


@contextlib.contextmanager
def _surviving() -> Iterator[None]:
    """An error in the block goes to the log and ends the block alone."""
    try:
        yield
    except Exception as error:
        with contextlib.suppress(Exception):  # it may be the log that fails: then there is nobody to tell
            _log.error("watchdog_failed", error=repr(error))


def _stack(frame: FrameType | None) -> str:
    """The innermost frames, a line each, outermost first, without reading source files.

    One string: under the key ``stack`` structlog's console takes nothing else.
    """
    places: list[str] = []
    while frame is not None and len(places) < SHOWN_FRAMES:
        places.append(location.line(frame, frame.f_lineno))
        frame = frame.f_back
    return "\n".join(places[::-1])


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Have ``error`` raised in ``thread`` at its next bytecode; None takes back one that is still to come."""
    raised = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)


_shared = Watchdog()
watched = _shared.watched
