"""Carrying out an activity call inside a workflow: one attempt, or several as its retry policy says.

Retries are the workflow's own: SWF repeats nothing (spec/anchors 3.8 rule 10). All attempts of one call bear the same
activity id, hence the same idempotency key. What a draining worker gave back was no attempt: it is scheduled again
whatever the policy (spec/swf-long-poll-scale 5.13).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from elbflow.flow import errors
from elbflow.flow.core import context
from elbflow.flow.failures import WORKER_SHUTDOWN

if TYPE_CHECKING:
    from elbflow.flow.signatures import Activity

R = TypeVar("R")

SHUTDOWN_PAUSE_S = 1.0
"""Pause before an activity is scheduled again that a worker gave back because it shut down."""


async def execute(activity: Activity[..., R], payload: str) -> R:
    """Schedule ``activity`` with its encoded arguments and await its result."""
    instance = context.current()
    activity_id = instance.next_activity_id()
    policy = activity.options.retry
    failures = 0
    while True:
        try:
            text = await instance.run_activity(activity, activity_id, payload)
        except errors.ActivityError as error:
            if isinstance(error, errors.ActivityFailed) and error.reason == WORKER_SHUTDOWN:
                await asyncio.sleep(SHUTDOWN_PAUSE_S)  # nobody began it: another worker will, and nothing was tried
                continue
            failures += 1
            final = isinstance(error, errors.ActivityFailed) and error.permanent
            if policy is None or final or failures >= policy.maximum_attempts:
                raise
            await asyncio.sleep(policy.pause(failures).total_seconds())
        else:
            return activity.decode_result(text)
