"""How an activity's error travels: ``reason`` is its type, ``details`` a JSON object (spec/anchors 3.8 rule 10)."""

from __future__ import annotations

import json
import traceback

from elbflow import errors as roots
from elbflow.flow import errors

WORKER_STOPPED = "WORKER_STOPPED"
"""Reason of activities whose worker is gone, or was told a second time to stop; the activity may have begun."""
WORKER_SHUTDOWN = "WORKER_SHUTDOWN"
"""Reason of activities that a draining worker did not begin; workflows repeat them and do not count it as a failure."""

MOST_TEXT = 8_000
_MOST_REASON = 256


def encode(error: BaseException) -> tuple[str, str]:
    """Reason and details of a failure; long messages and traces are shortened, the innermost frames stay."""
    trace = "".join(traceback.format_exception(error))
    return describe(type(error).__name__, str(error), permanent=isinstance(error, roots.Permanent), trace=trace)


def describe(kind: str, message: str, *, permanent: bool, trace: str = "") -> tuple[str, str]:
    """Reason and details from their parts."""
    said = {"type": kind, "message": shortened(message), "permanent": permanent}
    if trace:
        said["trace"] = shortened(trace, keep_end=True)
    return kind[:_MOST_REASON], json.dumps(said, ensure_ascii=False)


def shortened(text: str, *, keep_end: bool = False) -> str:
    """As much of ``text`` as takes :data:`MOST_TEXT` characters in JSON, where a control character takes six.

    Bytes that were no text (lone surrogates) become escapes, for SWF refuses them: an answer that it does not accept
    is an answer lost.
    """
    text = text.encode("utf-8", "backslashreplace").decode()
    while (length := len(json.dumps(text, ensure_ascii=False)) - 2) > MOST_TEXT:
        keep = min(len(text) - 1, len(text) * MOST_TEXT // length)
        text = text[-keep:] if keep_end else text[:keep]
    return text


def decode(activity: str, reason: str | None, details: str | None) -> errors.ActivityFailed:
    """The failure as a workflow sees it; foreign workers' reasons and details are taken as they are."""
    try:
        said = json.loads(details or "")
    except ValueError:
        said = None
    if not isinstance(said, dict) or "type" not in said:
        return errors.ActivityFailed(activity, reason or "Unknown", details or "", details=details)
    return errors.ActivityFailed(
        activity,
        str(said["type"]),
        str(said.get("message", "")),
        permanent=said.get("permanent") is True,
        details=details,
    )
