"""How errors travel: ``reason`` is the error's type, ``details`` a JSON object (spec/anchors 3.8 rule 10)."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator

from elbflow import errors as roots
from elbflow import swf
from elbflow.flow import errors, location

WORKER_STOPPED = "WORKER_STOPPED"
"""Reason of activities whose worker is gone, or was told a second time to stop; the activity may have begun."""
WORKER_SHUTDOWN = "WORKER_SHUTDOWN"
"""Reason of activities that a draining worker did not begin; workflows repeat them and do not count it as a failure."""

MOST_TEXT = 8_000
_MOST_REASON = 256
_TOLD = ("activity", "workflow_id", "reason", "timeout_type", "cause", "field")
"""Attributes of planned errors that go into a failed workflow's details."""


def encode(error: BaseException) -> tuple[str, str]:
    """Reason and details of a failure; long messages and traces are shortened, the innermost frames stay."""
    if isinstance(error, errors.ForeignFailure):
        return error.reason, error.details
    trace = "".join(traceback.format_exception(error))
    permanent = isinstance(error, roots.Permanent)
    return describe(type(error).__name__, message_of(error), permanent=permanent, trace=trace)


def message_of(error: BaseException) -> str:
    """What the error says of itself, even if it fails to."""
    try:
        return str(error)
    except Exception as silent:
        return f"its message cannot be shown: {silent!r}"


def describe(kind: str, message: str, *, permanent: bool, trace: str = "") -> tuple[str, str]:
    """Reason and details from their parts."""
    said = {"type": kind, "message": shortened(message), "permanent": permanent}
    if trace:
        said["trace"] = shortened(trace, keep_end=True)
    return kind[:_MOST_REASON], json.dumps(said, ensure_ascii=False)


def shortened(text: str, *, keep_end: bool = False) -> str:
    """As much of ``text`` as takes :data:`MOST_TEXT` characters in JSON, where a control character takes six.

    What was shortened ends (or, with ``keep_end``, begins) with the length it had.
    Bytes that were no text (lone surrogates) become escapes, for SWF refuses them: an answer that it does not accept
    is an answer lost.
    """
    text = whole = text.encode("utf-8", "backslashreplace").decode()
    while (length := len(json.dumps(text, ensure_ascii=False)) - 2) > MOST_TEXT:
        keep = min(len(text) - 1, len(text) * MOST_TEXT // length)
        text = text[-keep:] if keep_end else text[:keep]
    if len(text) < len(whole):
        mark = f"({len(whole):,} characters in all)"
        return f"{mark} … {text}" if keep_end else f"{text} … {mark}"
    return text


def planned(error: roots.Permanent) -> tuple[str, str]:
    """Reason and details of a workflow that fails with ``error``."""
    said = {"type": type(error).__name__, "message": shortened(str(error))}
    for name in _TOLD:
        value = getattr(error, name, None)
        if isinstance(value, str):
            said[name] = shortened(value)
    if notes := "\n".join(getattr(error, "__notes__", ())):
        said["notes"] = shortened(notes)
    return type(error).__name__[:_MOST_REASON], json.dumps(said, ensure_ascii=False)


def decode(activity: str, reason: str | None, details: str | None) -> errors.ActivityFailed:
    """The failure as a workflow sees it; foreign workers' reasons and details are taken as they are."""
    kind, message, final = read(reason, details)
    return errors.ActivityFailed(activity, kind, message, permanent=final, details=details)


def of_child(workflow_id: str, event: swf.HistoryEvent) -> errors.ChildError:
    """How a child closed that did not complete."""
    said = {name: value for name, value in event.attributes.items() if isinstance(value, str)}
    match event.type:
        case "ChildWorkflowExecutionTimedOut":
            return errors.ChildTimedOut(workflow_id, said.get("timeoutType", "Unknown"))
        case "ChildWorkflowExecutionCanceled":
            return errors.ChildCanceled(workflow_id, said.get("details"))
        case "ChildWorkflowExecutionTerminated":
            return errors.ChildTerminated(workflow_id)
    reason, message, _ = read(said.get("reason"), said.get("details"))
    return errors.ChildFailed(workflow_id, reason, message, details=said.get("details"))


def read(reason: str | None, details: str | None) -> tuple[str, str, bool]:
    """Type, message and permanence of a failure, whoever described it."""
    try:
        said = json.loads(details or "")
    except ValueError:
        said = None
    if not isinstance(said, dict) or "type" not in said:
        return reason or "Unknown", details or "", False
    return str(said["type"]), str(said.get("message", "")), said.get("permanent") is True


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
