"""Rollback: what was done is undone in reverse order when a block fails (design section 4, section 6)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from elbflow import errors as roots
from elbflow.flow import cancelling, context, errors, failures
from elbflow.flow.signatures import Activity, P
from elbflow.flow.workflow_logger import logger


class Compensation:
    """The undo list of one block; see :func:`compensate`."""

    def __init__(self) -> None:
        self._undo: list[tuple[str, Callable[[], Awaitable[Any]]]] = []
        self._busy = contextlib.ExitStack()

    def push(self, activity: Activity[P, Any], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run ``activity`` with these arguments should the block fail."""
        if not self._undo:
            self._busy.enter_context(context.current().busy())
        self._undo.append((activity.name, lambda: activity(*args, **kwargs)))

    async def __aenter__(self) -> Compensation:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._busy:
            await self._leave(exc)

    async def _leave(self, exc: BaseException | None) -> None:
        if exc is None or isinstance(exc, (errors.InstanceClosed, GeneratorExit)):
            return
        if failures.continuation(exc) is not None:
            return
        if not _planned(exc):
            # Undoing on a bug would make the repaired code disagree with what history then holds.
            context.current().withhold(exc)
            return
        if self._undo:
            await self._shielded(exc)

    async def _shielded(self, cause: BaseException) -> None:
        """Undo to the end; a cancellation that comes meanwhile reaches the code after the block."""
        undoing = asyncio.ensure_future(self._run(cause))
        cancelled = False
        while not undoing.done():
            try:
                await asyncio.shield(undoing)
            except asyncio.CancelledError:
                context.current()
                cancelled = True
        undoing.result()
        if cancelled and not isinstance(cause, asyncio.CancelledError):
            cancelling.cancel_later()

    async def _run(self, cause: BaseException) -> None:
        while self._undo:
            name, undo = self._undo.pop()
            try:
                await undo()
            except roots.Permanent as error:
                logger.error("compensation_failed", activity=name, error=str(error))
                cause.add_note(f"not undone: {name}: {error}")


def compensate() -> Compensation:
    """``async with flow.compensate() as undo``: on an error, run the activities pushed so far in reverse order.

    It undoes on every error a workflow can end with, cancellation included, shielded from (further) cancellation, and
    re-raises when done. An undoing activity that fails is logged and noted on the error; the others still run.

    Two endings are not undone: ``ContinueAsNew``, which is no failure, and errors that nobody planned (see
    :class:`elbflow.errors.Defect`), which stop the decision at once so that the repaired code goes on from there.
    """
    return Compensation()


def _planned(error: BaseException) -> bool:
    return isinstance(error, (asyncio.CancelledError, roots.Cancelled)) or failures.permanent(error) is not None
