"""How a workflow's end becomes the decision that closes its execution.

A close is sent alone, save for markers: timers, activities and their cancellations would die with the execution. SWF
refuses a close when news has reached the history meanwhile (UNHANDLED_DECISION); because the decision held nothing
else, it is then taken again from the start with that news, and no signal is lost. Refused for another cause, the same
close is tried again after a minute.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from elbflow import errors as roots
from elbflow import swf
from elbflow.flow import codec, errors, failures
from elbflow.flow.core import location

if TYPE_CHECKING:
    from elbflow.flow.signatures import WorkflowSignature

RETRY_S = 60
_MOST_REASON = 256
_INHERITED = ("executionStartToCloseTimeout", "taskStartToCloseTimeout", "childPolicy", "taskList", "taskPriority")


def permanent(error: BaseException) -> roots.Permanent | None:
    """The planned failure that ``error`` stands for; a group stands for its first leaf if all leaves are planned."""
    if isinstance(error, roots.Permanent):
        return error
    if isinstance(error, BaseExceptionGroup):
        leaves = list(_leaves(error))
        if all(isinstance(leaf, roots.Permanent) for leaf in leaves) and isinstance(leaves[0], roots.Permanent):
            return leaves[0]
    return None


def continuation(error: BaseException) -> errors.ContinueAsNew | None:
    """The wish to continue as new that ``error`` is, or that a task group wrapped."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, errors.ContinueAsNew) else None


def completed(value: Any, type_: Any) -> swf.Decision:
    """CompleteWorkflowExecution, or FailWorkflowExecution when the result does not fit."""
    try:
        return swf.Decision("CompleteWorkflowExecution", {"result": codec.encode(value, type_)})
    except errors.PayloadTooLarge as error:
        return failed(error)


def cancelled(details: str | None = None) -> swf.Decision:
    return swf.Decision("CancelWorkflowExecution", {} if details is None else {"details": failures.shortened(details)})


def failed(error: roots.Permanent) -> swf.Decision:
    """FailWorkflowExecution: the error's type name as reason, its JSON description as details."""
    said: dict[str, str] = {"type": type(error).__name__, "message": failures.shortened(str(error))}
    if isinstance(error, errors.ActivityFailed):
        said |= {"activity": error.activity, "reason": failures.shortened(error.reason)}
    if isinstance(error, errors.ActivityTimedOut):
        said |= {"activity": error.activity, "timeout_type": error.timeout_type}
    notes = "\n".join(getattr(error, "__notes__", ()))
    if notes:
        said["notes"] = failures.shortened(notes)
    details = json.dumps(said, ensure_ascii=False)
    return swf.Decision("FailWorkflowExecution", {"reason": type(error).__name__[:_MOST_REASON], "details": details})


def continued(value: Any, signature: WorkflowSignature[Any, Any], started: swf.Attributes) -> swf.Decision:
    """ContinueAsNewWorkflowExecution with the settings and tags of this run, which SWF would not pass on (9.1)."""
    try:
        payload = codec.encode(value, signature.input_type)
    except errors.PayloadTooLarge as error:
        return failed(error)
    attributes: dict[str, swf.Json] = {"input": payload, "workflowTypeVersion": signature.version}
    attributes |= {name: started[name] for name in _INHERITED if started.get(name) is not None}
    if started.get("tagList"):
        attributes["tagList"] = started["tagList"]
    return swf.Decision("ContinueAsNewWorkflowExecution", attributes)


def ending(error: BaseException, *, cancel_requested: bool, refusal: errors.TimerRefused | None) -> swf.Decision:
    """The close for a workflow that ended in ``error``. Raises WorkflowDefect for an error that nobody planned."""
    if isinstance(error, asyncio.CancelledError):
        if refusal is not None:
            return failed(refusal)
        if cancel_requested:
            return cancelled()
    if isinstance(error, roots.Cancelled):
        return cancelled(str(error))
    planned = permanent(error)
    if planned is not None:
        return failed(planned)
    raise defect(error)


def defect(error: BaseException) -> roots.Defect:
    """``error`` as a defect of the workflow, with the source line it came from."""
    if isinstance(error, roots.Defect):
        return error
    found = errors.WorkflowDefect(f"{type(error).__name__}: {error}", location=location.of_error(error))
    found.__cause__ = error
    return found


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _leaves(member)
    else:
        yield error
