"""How a workflow's end becomes the decision that closes its execution.

A close is sent alone, save for markers: timers, activities and their cancellations would die with the execution; what
other executions are to hear is sent first. SWF refuses a close when news has reached the history meanwhile
(UNHANDLED_DECISION); because the decision held nothing else, it is then taken again from the start with that news, and
no signal is lost. Refused for another cause, the same close is tried again after a minute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elbflow import errors as roots
from elbflow import swf
from elbflow.flow import codec, errors, failures

if TYPE_CHECKING:
    from elbflow.flow.signatures import WorkflowSignature

RETRY_S = 60
_INHERITED = ("executionStartToCloseTimeout", "taskStartToCloseTimeout", "childPolicy", "taskList", "taskPriority")


def completed(value: Any, type_: Any) -> swf.Decision:
    """CompleteWorkflowExecution, or FailWorkflowExecution when the result does not fit."""
    try:
        return swf.Decision("CompleteWorkflowExecution", {"result": codec.encode(value, type_, field="result")})
    except errors.PayloadTooLarge as error:
        return failed(error)


def failed(error: roots.Permanent) -> swf.Decision:
    """FailWorkflowExecution: the error's type name as reason, its JSON description as details."""
    return swf.Decision("FailWorkflowExecution", dict(zip(("reason", "details"), failures.planned(error), strict=True)))


def continued(value: Any, signature: WorkflowSignature[Any, Any], started: swf.Attributes) -> swf.Decision:
    """ContinueAsNewWorkflowExecution with the settings and tags of this run, which SWF would not pass on (9.1)."""
    try:
        payload = codec.encode(value, signature.input_type, field="input")
    except errors.PayloadTooLarge as error:
        return failed(error)
    attributes: dict[str, swf.Json] = {"input": payload, "workflowTypeVersion": signature.version}
    attributes |= {name: started[name] for name in _INHERITED if started.get(name) is not None}
    if started.get("tagList"):
        attributes["tagList"] = started["tagList"]
    return swf.Decision("ContinueAsNewWorkflowExecution", attributes)


def ending(error: BaseException) -> swf.Decision:
    """The close for a workflow that ended in ``error``. Raises WorkflowDefect for an error that nobody planned."""
    if isinstance(error, roots.Cancelled):
        details = failures.shortened(str(error))
        return swf.Decision("CancelWorkflowExecution", {"details": details} if details else {})
    planned = failures.permanent(error)
    if planned is not None:
        return failed(planned)
    raise failures.defect(error)
