"""Carrying out an activity call inside a workflow: one attempt, or several as its retry policy says.

Retries are the workflow's own: SWF repeats nothing (spec/anchors 3.8 rule 10). All attempts of one call bear the same
activity id, hence the same idempotency key. What a draining worker gave back was no attempt: it is scheduled again
whatever the policy (spec/swf-long-poll-scale 5.13).
"""

from __future__ import annotations

import asyncio
import functools
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from elbflow import swf
from elbflow.flow import context, errors
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
    attributes = _schedule(activity, str(next(instance.activity_ids)), payload)
    policy = activity.options.retry
    failures = 0
    instance.unfinished += 1
    try:
        while True:
            try:
                text = await _attempt(instance, activity, attributes)
            except errors.ActivityError as error:
                if isinstance(error, errors.ActivityFailed) and error.reason == WORKER_SHUTDOWN:
                    await asyncio.sleep(SHUTDOWN_PAUSE_S)  # nobody began it: another worker will, nothing was tried
                    continue
                failures += 1
                final = isinstance(error, errors.ActivityFailed) and error.permanent
                if policy is None or final or failures >= policy.maximum_attempts:
                    raise
                await asyncio.sleep(policy.pause(failures).total_seconds())
            else:
                return activity.decode_result(text)
    finally:
        instance.unfinished -= 1


async def _attempt(instance: Instance, activity: Activity[..., Any], attributes: swf.Attributes) -> str | None:
    context.current()  # put away, the instance asks for nothing
    attempt = Attempt(instance, activity.name, attributes)
    cancellation = activity.options.cancellation
    if cancellation is Cancellation.WAIT:
        return await last_outcome_of(attempt.outcome, attempt.cancel)
    ask = cancellation is Cancellation.TRY
    return await outcome_of(attempt.outcome, functools.partial(attempt.cancel, ask=ask))


def _schedule(activity: Activity[..., Any], activity_id: str, payload: str) -> swf.Attributes:
    """ScheduleActivityTask with all time limits spelled out; only the list is left to the type's default."""
    options = activity.options
    attributes: dict[str, swf.Json] = {
        "activityType": {"name": activity.name, "version": activity.version},
        "activityId": activity_id,
        "input": payload,
        "scheduleToStartTimeout": _limit(options.schedule_to_start),
        "startToCloseTimeout": _limit(options.start_to_close),
        "scheduleToCloseTimeout": _limit(options.schedule_to_close),
        "heartbeatTimeout": _limit(options.heartbeat),
    }
    if options.task_list is not None:
        attributes["taskList"] = {"name": options.task_list}
    if options.priority is not None:
        attributes["taskPriority"] = str(options.priority)
    return attributes


@functools.lru_cache(maxsize=1024)
def _limit(limit: timedelta | None) -> str:
    return "NONE" if limit is None else str(math.ceil(limit.total_seconds()))
