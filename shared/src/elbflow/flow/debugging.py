"""Replaying a history under pdb: it stops in workflow code alone, and guards let it through."""

from __future__ import annotations

import contextlib
import pdb  # this module is about it
import re
import sys
import sysconfig
from collections.abc import Iterator
from types import FrameType
from typing import IO, Any

from elbflow.flow import deciding, errors, location
from elbflow.flow.core import events as core_events
from elbflow.flow.recordings import History
from elbflow.flow.replaying import walk

_PYTHONS = sysconfig.get_path("stdlib")


class Debugger(pdb.Pdb):
    """pdb that steps over everything that is not workflow code, and may read the clock and the terminal."""

    def __init__(self, stdin: IO[str] | None = None, stdout: IO[str] | None = None) -> None:
        super().__init__(stdin=stdin, stdout=stdout, nosigint=True)
        if stdin is not None:
            self.use_rawinput = False

    def stop_here(self, frame: FrameType) -> bool:
        return _is_own(frame.f_code.co_filename) and location.is_workflows(frame) and super().stop_here(frame)

    def interaction(self, *arguments: Any) -> None:
        with deciding.lifted():
            super().interaction(*arguments)

    def say(self, text: str) -> None:
        """Print a line of our own."""
        with deciding.lifted():
            self.message(text)

    def begin(self) -> None:
        """Stop at the next line of workflow code."""
        self.reset()
        self.botframe = sys._getframe(1)
        self.set_step()
        sys.settrace(self.trace_dispatch)


@contextlib.contextmanager
def breakpoints(debugger: Debugger | None = None) -> Iterator[None]:
    """Answer ``breakpoint()`` in workflow code inside the block, with ``debugger`` or one made for it.

    Under pytest that needs ``-s``, for otherwise there is no terminal.
    """
    before, tracing = sys.breakpointhook, sys.gettrace()
    sys.breakpointhook = lambda *_a, **_k: _stop_at(debugger, sys._getframe(1))
    try:
        yield
    finally:
        sys.breakpointhook = before
        if sys.gettrace() is not tracing:
            sys.settrace(tracing)


@contextlib.contextmanager
def passed_over() -> Iterator[None]:
    """Let ``breakpoint()`` do nothing inside the block: the same code has stopped there once already."""
    before, sys.breakpointhook = sys.breakpointhook, lambda *_a, **_k: None
    try:
        yield
    finally:
        sys.breakpointhook = before


def _stop_at(debugger: Debugger | None, frame: FrameType) -> None:
    with deciding.lifted():
        (debugger or Debugger()).set_trace(frame)


def _is_own(filename: str) -> bool:
    """Whether a file is somebody's own: not Python's, whose C parts call Python on behalf of the runtime."""
    return not filename.startswith("<") and (not filename.startswith(_PYTHONS) or "site-packages" in filename)


def debug(
    workflow_class: type, history: History, debugger: Debugger, *, decision: int | None = None
) -> Exception | None:
    """Replay under ``debugger`` and give what the code ran into, if anything; ``debugger.quitting`` after «q».

    It stops at the first line of workflow code of ``decision`` (counted from 1); of the one that differs from the
    record, or of the last one, by default, and again where the command was asked for that differs.
    """
    wanted, at = (decision, None) if decision is not None else _interesting(workflow_class, history)

    def before(number: int, batch: core_events.Batch) -> None:
        if number == wanted:
            debugger.say(_banner(number, batch, at))
            if at is not None:
                debugger.set_break(*at, temporary=True)
            debugger.begin()

    try:
        with breakpoints(debugger):
            walk(workflow_class, history, before)
    except Exception as error:
        return error
    return None


def _interesting(workflow_class: type, history: History) -> tuple[int, tuple[str, int] | None]:
    """The decision that goes wrong, with the line that the error names; else the last one."""
    last = 0

    def before(number: int, _batch: core_events.Batch) -> None:
        nonlocal last
        last = number

    try:
        walk(workflow_class, history, before)
    except errors.NonDeterminism as error:
        found = re.search(r"^at (.+):(\d+) in ", str(error), re.MULTILINE)
        return last, (found[1], int(found[2])) if found else None
    except Exception:
        return last, None
    return last, None


def _banner(number: int, batch: core_events.Batch, at: tuple[str, int] | None) -> str:
    news = ", ".join(f"{event.id} {event.type}" for event in batch.news[:8]) + (" …" if len(batch.news) > 8 else "")
    recorded = ", ".join(event.type for event in batch.recorded or ()) or "nothing"
    lines = [f"decision {number}, event {batch.started.id}; it heard of: {news or 'nothing'}; recorded: {recorded}"]
    if at is not None:
        lines.append(f"«c» goes on to {at[0]}:{at[1]}, where it begins to differ")
    return "\n".join(lines)
