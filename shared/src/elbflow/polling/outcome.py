"""How a poll ended: one class per result, decided by the fault, never by its text (spec/swf-long-poll-scale 5.4)."""

from __future__ import annotations

import enum

from elbflow import errors, swf
from elbflow.polling.hold import LearnedHold

STALE_WITHIN_S = 0.05


class Outcome(enum.StrEnum):
    """Classes of poll results; each has one effect on pacing."""

    TASK = "task"
    FULL_EMPTY = "empty"
    EARLY_EMPTY = "early"
    THROTTLED = "throttled"
    LIST_LIMIT = "limit"
    UNKNOWN_RESOURCE = "unknown_resource"
    AUTH = "auth"
    DENIED = "denied"
    INVALID = "invalid"
    CONNECT = "connect"
    STALE = "stale"
    AMBIGUOUS = "ambiguous"
    SERVER = "server"
    DEFECT = "defect"
    ABORTED = "aborted"


ANSWERED = frozenset({Outcome.TASK, Outcome.FULL_EMPTY, Outcome.EARLY_EMPTY, Outcome.THROTTLED, Outcome.LIST_LIMIT})
UNTROUBLED = frozenset({Outcome.TASK, Outcome.FULL_EMPTY})
ENDPOINT_FAULTS = frozenset({Outcome.CONNECT, Outcome.AMBIGUOUS, Outcome.SERVER})

_BY_FAULT: tuple[tuple[type[BaseException], Outcome], ...] = (
    (swf.Throttled, Outcome.THROTTLED),
    (swf.LimitExceeded, Outcome.LIST_LIMIT),
    (swf.UnknownResource, Outcome.UNKNOWN_RESOURCE),
    (swf.Unauthenticated, Outcome.AUTH),
    (swf.Denied, Outcome.DENIED),
    (swf.ConnectFailed, Outcome.CONNECT),
    (swf.Ambiguous, Outcome.AMBIGUOUS),
    (errors.Permanent, Outcome.INVALID),
    (swf.SwfError, Outcome.SERVER),
)


def of_empty(duration_s: float, hold: LearnedHold, asked_s: float | None = None) -> Outcome:
    """Class of an answer without a task that took ``duration_s`` seconds; ``asked_s`` is the hold it asked for."""
    return Outcome.EARLY_EMPTY if hold.is_early(duration_s, asked_s) else Outcome.FULL_EMPTY


def of_error(error: BaseException, duration_s: float, *, may_be_stale: bool) -> Outcome:
    """Class of a failed poll.

    ``may_be_stale`` says that the connection may have been an idle one and that this lane did not fail just before:
    a loss within milliseconds then means that the peer had closed the idle connection, and no task went with it.
    """
    found = next((outcome for fault, outcome in _BY_FAULT if isinstance(error, fault)), Outcome.DEFECT)
    if found is Outcome.AMBIGUOUS and may_be_stale and duration_s < STALE_WITHIN_S:
        return Outcome.STALE
    return found
