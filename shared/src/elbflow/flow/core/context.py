"""What workflow code may ask of its runtime. All of it works only inside a running workflow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from elbflow import swf
from elbflow.flow import codec, errors
from elbflow.flow.core.loop import Loop

if TYPE_CHECKING:
    from elbflow.flow.core.instance import Instance


@dataclass(frozen=True, slots=True)
class WorkflowInfo:
    """What a run knows of itself. ``history_length`` counts the events up to the current decision."""

    workflow_id: str
    run_id: str
    type: swf.TypeId
    input: object
    tags: tuple[str, ...]
    task_list: str
    started_at: datetime
    continued_from: str | None
    history_length: int
    cancel_requested: bool


def current() -> Instance:
    """The workflow instance that runs this code; raises :class:`errors.OutsideWorkflow` elsewhere."""
    loop = asyncio._get_running_loop()
    if not isinstance(loop, Loop):
        raise errors.OutsideWorkflow
    if loop.closing:
        raise errors.InstanceClosed
    return loop.instance


def now() -> datetime:
    """The time of the current decision: it stands still between awaits and repeats in replay (UTC)."""
    return datetime.fromtimestamp(current().loop.time(), UTC)


def info() -> WorkflowInfo:
    """This run's identity, input and tags."""
    return current().info()


async def sleep(delay: timedelta | float) -> None:
    """An SWF timer of whole seconds, rounded up; 0 only lets other tasks run. Cancelled, the timer is cancelled."""
    await asyncio.sleep(_seconds(delay))


async def wait_condition(predicate: Callable[[], bool], timeout: timedelta | float | None = None) -> bool:
    """Wait until ``predicate()`` holds; False when ``timeout`` came first.

    Predicates look at the workflow's own fields and are evaluated whenever all code has come to rest.
    """
    instance = current()
    if predicate():
        return True
    future = instance.when(predicate)
    try:
        async with asyncio.timeout(None if timeout is None else _seconds(timeout)):
            await future
    except TimeoutError:
        return predicate()
    return True


def continue_as_new(value: object) -> errors.ContinueAsNew:
    """To be raised: end this run and start the next with ``value``, under the same id, type version and tags."""
    current()
    return errors.ContinueAsNew(value)


def set_state(value: object) -> None:
    """Publish ``value`` (JSON) as the execution context with this and every later decision.

    Raises :class:`errors.PayloadTooLarge`.
    """
    current().state = codec.encode(value, type(value))


def patched(name: str) -> bool:
    """Whether this execution runs the code under patch ``name``: True for new decisions, False where old ones replay.

    The answer is recorded as a marker, so it stays the same for the rest of the execution.
    """
    return current().patched(name)


def _seconds(delay: timedelta | float) -> float:
    return delay.total_seconds() if isinstance(delay, timedelta) else delay
