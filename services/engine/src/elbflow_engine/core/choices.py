"""Answers to the open questions about the service's behaviour, one function each (spec/swf-semantics 14).

No live evidence settles these. What each function says is our choice; the letter is the question's in section 14.
Functions without a letter are choices that other sections mark [C].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from elbflow_engine.core import faults

NOT_INITIATED = 0
"""``initiatedEventId`` of a failure that came before any Initiated event. Our choice (7.10-7.12)."""


def fault_in_deprecated_domain(name: str) -> faults.Fault:
    """(a) Starting, registering or undeprecating in a deprecated domain: the domain counts as unknown. Our choice:
    the only fault the model offers for all of these operations (6.1: 4).
    """
    return faults.unknown_domain(name)


def history_full(next_event_id: int, limit: int) -> bool:
    """(b) Whether only the close event may still be appended: the event that would get the id ``limit`` or a higher
    one gives way to the termination. Our choice of the exact point (3.1).
    """
    return next_event_id >= limit


def previous_started_after_timeout(former: int, _timed_out: int) -> int:
    """(c) A decision task that timed out does not advance ``previousStartedEventId``. Our choice: what was not
    completed must be seen again (3.4).
    """
    return former


def blocks_close(*, queued: bool, failed_in_batch: bool) -> bool:
    """(d) Whether a closing decision fails with UNHANDLED_DECISION. Our choice: only by what reached the history from
    outside since the task was started; failures and immediate cancels of the same batch do not block it (7 notes).
    """
    del failed_in_batch
    return queued


def canceled_link(cancel_requested_id: int) -> dict[str, int]:
    """(e) RespondActivityTaskCanceled without a cancel request is accepted; the link to the request is left out.
    Our choice (3.7).
    """
    return {"latestCancelRequestedEventId": cancel_requested_id} if cancel_requested_id else {}


def records_cancel_request(*, already_requested: bool) -> bool:
    """(f) RequestCancelWorkflowExecution appends its event on every call, also when a request is pending. Our choice
    (6.3: 23).
    """
    del already_requested
    return True


def latest_context(former: str | None, given: str | None) -> str | None:
    """(g) A completion without ``executionContext`` keeps the former one. Our choice (6.3: 25)."""
    return former if given is None else given


def policy_cancel() -> dict[str, object]:
    """(h) A cancel request that a child policy makes names no external execution. Our choice (9.2)."""
    return {"externalInitiatedEventId": 0, "cause": "CHILD_POLICY_APPLIED"}


def outcome_run(_first_run_id: str | None, last: dict[str, str]) -> dict[str, str]:
    """(i) The parent learns the outcome of a child that continued as new under the run that closed last. Our choice
    (3.9: 5).
    """
    return last


def first_cause(causes: Iterator[str]) -> str | None:
    """(j) Of several causes why a decision fails the first one is reported, in the order in which the decision's own
    generator yields them, which is that of the table in section 7. Our choice. Later checks do not run at all, so a
    decision that fails for another reason takes no token from a rate bucket.
    """
    return next(causes, None)


def keeps_override(completed: Mapping[str, object]) -> bool:
    """A completion without ``taskList`` keeps the override of the task list, a temporary one too, and a
    ``taskListScheduleToStartTimeout`` alone changes nothing. Our choice (3.6).
    """
    return "taskList" not in completed


def repeated_activity_cancel(_former: int, request_id: int) -> int:
    """Every cancel request for a started activity is recorded, and the latest one counts. Our choice (7.2)."""
    return request_id
