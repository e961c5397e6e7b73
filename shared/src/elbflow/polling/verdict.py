"""What one ended poll amounts to (spec/swf-long-poll-scale 5.4, 5.8). Pure."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from elbflow.polling import outcome as outcomes
from elbflow.polling.hold import LearnedHold
from elbflow.polling.inflight import Answer, Poll
from elbflow.polling.lane import Task
from elbflow.polling.outcome import Outcome

_PERHAPS_LOST = frozenset({Outcome.STALE, Outcome.CONNECT})


@dataclass(slots=True)
class Verdict:
    """``came_at`` is when the answer had come, in monotonic seconds; ``error`` is what the poll raised."""

    outcome: Outcome
    came_at: float
    task: Task | None = None
    error: BaseException | None = None


def of(poll: Poll, ended: asyncio.Task[Answer], hold: LearnedHold, now: float, *, may_be_stale: bool) -> Verdict:
    """Class of the poll that ``ended`` at ``now``; see :func:`outcomes.of_error` for ``may_be_stale``."""
    if ended.cancelled():
        return Verdict(Outcome.ABORTED if poll.aborted else Outcome.AMBIGUOUS, now)
    error = ended.exception()
    if error is None:
        task, came_at = ended.result()
        if task is not None:
            return Verdict(Outcome.TASK, came_at, task)
        return Verdict(outcomes.of_empty(came_at - poll.begun, hold, poll.hints.asked_s), came_at)
    outcome = outcomes.of_error(error, now - poll.begun, may_be_stale=may_be_stale)
    if poll.saw_stall and outcome in _PERHAPS_LOST:
        # While the loop stood still nobody could see how far the request got.
        outcome = Outcome.AMBIGUOUS
    return Verdict(outcome, now, error=error)
