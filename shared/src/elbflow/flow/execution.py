"""Carrying out an activity call inside a workflow: one attempt, or several as its retry policy says.

Retries are the workflow's own: SWF repeats nothing (spec/anchors 3.8 rule 10). All attempts of one call bear the same
activity id, hence the same idempotency key. What a draining worker gave back was no attempt: it is scheduled again
whatever the policy (spec/swf-long-poll-scale 5.13).
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from elbflow import swf
from elbflow.flow import context, errors, limits, location
from elbflow.flow.cancelling import Cancellation, last_outcome_of, outcome_of
from elbflow.flow.core.activity import Activity as Attempt
from elbflow.flow.failures import WORKER_SHUTDOWN

if TYPE_CHECKING:
    from elbflow.flow.core.instance import Instance
    from elbflow.flow.signatures import Activity

R = TypeVar("R")

SHUTDOWN_PAUSE_S = 1.0
"""Pause before an activity is scheduled again that a worker gave back because it shut down."""


async def execute(activity: Activity[..., R], payload: str) -> R:
    """Schedule ``activity`` with its encoded arguments and await its result."""
    instance = context.current()
    activity_id = str(next(instance.activity_ids))
    attributes = limits.Checked(activity.request, activityId=activity_id, input=payload)
    policy, at = activity.options.retry, location.here()
    failures = 0
    instance.unfinished += 1
    try:
        while True:
            try:
                text = await _attempt(instance, activity, attributes, at)
            except errors.ActivityError as error:
                if isinstance(error, errors.ActivityFailed) and error.reason == WORKER_SHUTDOWN:
                    await _pause(SHUTDOWN_PAUSE_S)  # nobody began it: another worker will, nothing was tried
                    continue
                failures += 1
                final = isinstance(error, errors.ActivityFailed) and error.permanent
                if policy is None or final or failures >= policy.maximum_attempts:
                    raise
                await _pause(policy.pause(failures).total_seconds())
            else:
                return activity.decode_result(text)
    finally:
        instance.unfinished -= 1


def _attempt(
    instance: Instance, activity: Activity[..., Any], attributes: swf.Attributes, at: str
) -> Coroutine[Any, Any, str | None]:
    """Ask for one attempt; what is given awaits its result."""
    attempt = Attempt(instance, activity.name, attributes, at)
    match activity.options.cancellation:
        case Cancellation.TRY:
            return outcome_of(attempt.outcome, attempt.cancel)
        case Cancellation.WAIT:
            return last_outcome_of(attempt.outcome, attempt.cancel)
        case Cancellation.ABANDON:
            return outcome_of(attempt.outcome, functools.partial(attempt.cancel, ask=False))


async def _pause(seconds: float) -> None:
    await asyncio.sleep(seconds)
    context.current()  # put away, the instance asks for nothing
