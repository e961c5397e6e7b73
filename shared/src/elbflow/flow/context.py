"""What workflow code may ask of its runtime. All of it works only inside a running workflow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, overload

from elbflow import swf
from elbflow.flow import codec, deciding, errors
from elbflow.flow.core import markers
from elbflow.flow.core.loop import Loop

if TYPE_CHECKING:
    from elbflow.flow.core.instance import Instance
    from elbflow.flow.signatures import In, WorkflowSignature

T = TypeVar("T")


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
    parent: swf.Execution | None = None
    priority: int = 0


def current() -> Instance:
    """The workflow instance that runs this code; raises :class:`errors.OutsideWorkflow` elsewhere."""
    loop = asyncio._get_running_loop()
    if not isinstance(loop, Loop):
        raise errors.OutsideWorkflow
    if loop.closing:
        raise errors.InstanceClosed
    return loop.instance


def unless_closing(ask: Callable[[], None]) -> None:
    """Call ``ask`` unless the instance is being put away: what its cleanup asks for has no effect."""
    loop = asyncio._get_running_loop()
    if isinstance(loop, Loop) and not loop.closing:
        ask()


def now() -> datetime:
    """The time of the current decision: it stands still between awaits and repeats in replay (UTC)."""
    return datetime.fromtimestamp(current().loop.time(), UTC)


def info() -> WorkflowInfo:
    """This run's identity, input, tags and circumstances."""
    instance = current()
    assert instance.started is not None, "workflow code runs only after its start event"
    attributes = instance.started.attributes
    tags = attributes.get("tagList")
    parent, continued = attributes.get("parentWorkflowExecution"), attributes.get("continuedExecutionRunId")
    return WorkflowInfo(
        workflow_id=instance.execution.workflow_id,
        run_id=instance.execution.run_id,
        type=instance.definition.type,
        input=instance.input,
        tags=tuple(str(tag) for tag in tags) if isinstance(tags, (list, tuple)) else (),
        task_list=instance.task_list,
        started_at=datetime.fromtimestamp(instance.started.timestamp, UTC),
        continued_from=str(continued) if continued else None,
        history_length=instance.history_length,
        cancel_requested=instance.cancel_requested,
        parent=swf.Execution(str(parent["workflowId"]), str(parent["runId"])) if isinstance(parent, dict) else None,
        priority=int(str(attributes.get("taskPriority") or 0)),
    )


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


@overload
def continue_as_new(value: object, /) -> errors.ContinueAsNew: ...
@overload
def continue_as_new(signature: WorkflowSignature[In, Any], value: In, /) -> errors.ContinueAsNew: ...
def continue_as_new(*given: Any) -> errors.ContinueAsNew:
    """To be raised: end this run and start the next with ``value``, under the same id, type version and tags.

    With the workflow's own ``signature``, type checkers see whether the value fits. That of another workflow is a
    defect: SWF starts the same type again.
    """
    *signatures, value = given
    _own(signatures)
    return errors.ContinueAsNew(value)


@overload
def continue_when_long(carry: Callable[[], object], /, events: int = 2_000) -> None: ...
@overload
def continue_when_long(
    signature: WorkflowSignature[In, Any], carry: Callable[[], In], /, events: int = 2_000
) -> None: ...
def continue_when_long(*given: Any, events: int = 2_000) -> None:
    """Have this run continue as new by itself, with ``carry()`` as input, once its history has ``events`` events.

    Said once, in ``run()``. It happens when all code waits and nothing of the run's own is half-done: no activity is
    awaited, no child is open, nothing is left to compensate, no signal lies unread or waits for a queue that is asked
    for later. ``carry`` looks at the workflow's fields; the code that waits does not run on, not even its ``finally``.

    At 20,000 events, of the 25,000 that SWF allows, what is open is cancelled first: then all code runs its cleanup as
    after a request to cancel. A run that was asked to cancel does not continue. ``signature`` as of
    :func:`continue_as_new`.
    """
    if events < 1:
        raise ValueError(f"not a number of events: {events}")
    *signatures, carry = given
    _own(signatures)
    current().succession.arrange(carry, events)


def _own(signatures: Sequence[WorkflowSignature[Any, Any]]) -> None:
    own = current().definition.type
    for signature in signatures:
        if signature.type != own:
            raise errors.WorkflowDefect(f"{own} cannot continue as {signature.type}")


def set_state(value: object) -> None:
    """Publish ``value`` (JSON) as the execution context with this and every later decision.

    For workflows without a :func:`elbflow.flow.query`. Raises :class:`errors.PayloadTooLarge`.
    """
    instance = current()
    if instance.definition.query is not None:
        raise errors.WorkflowDefect("this workflow publishes what its flow.query method returns")
    instance.state = codec.encode(value, type(value), field="executionContext")


def patched(name: str) -> bool:
    """Whether this execution runs the code under patch ``name``: True for new decisions, False where old ones replay.

    The answer is recorded as a marker, so it stays the same for the rest of the execution.
    """
    return current().markers.patched(name)


def record_marker(name: str, details: str | None = None) -> None:
    """Write ``name`` (256 characters) and ``details`` (32,768) into the history, for those who read it.

    A decision that is taken again because news overtook its close writes its markers again. Raises
    :class:`errors.PayloadTooLarge`; should SWF refuse the marker, the workflow fails with
    :class:`errors.MarkerRefused`.
    """
    if name.startswith(markers.RESERVED):
        raise errors.WorkflowDefect(f"marker names that begin with {markers.RESERVED!r} are the runtime's own")
    current().markers.record(name, details)


def side_effect(function: Callable[[], T], type_: type[T]) -> T:
    """What ``function()`` gave when this line ran first; ever after, and in replay, the recorded value.

    For short things that need no activity: an id, a random number, an environment variable. ``function`` may do what
    workflow code must not, except to block; it should have no effect on the world, because a decision that is lost is
    taken again. An error of ``function`` withholds the decision, as a defect. The value travels as JSON of ``type_``;
    raises :class:`errors.PayloadTooLarge`.
    """
    instance = current()

    def evaluate() -> str:
        try:
            with deciding.lifted():
                value = function()
        except Exception as error:
            instance.withhold(error)  # even if the workflow catches it: there is nothing to record
            raise errors.WorkflowDefect(f"a side effect failed: {error!r}") from error
        return codec.encode(value, type_, field="details")

    return codec.decode(instance.markers.side_effect(evaluate), type_)


def _seconds(delay: timedelta | float) -> float:
    return delay.total_seconds() if isinstance(delay, timedelta) else delay
