"""Carrying out an activity call inside a workflow: one attempt, or several as its retry policy says.

Retries are the workflow's own: SWF repeats nothing (spec/anchors 3.8 rule 10). All attempts of one call bear the same
activity id, hence the same idempotency key.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from elbflow.flow import errors
from elbflow.flow.core import context

if TYPE_CHECKING:
    from elbflow.flow.signatures import Activity

R = TypeVar("R")


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
            failures += 1
            final = isinstance(error, errors.ActivityFailed) and error.permanent
            if policy is None or final or failures >= policy.maximum_attempts:
                raise
            await asyncio.sleep(policy.pause(failures).total_seconds())
        else:
            return activity.decode_result(text)
