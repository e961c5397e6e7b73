"""Declaring an activity by the function that carries it out, for programs whose workflows and workers share code."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

from elbflow.flow.signatures import Activity, P, R, RetryPolicy, abstract_activity


def activity(
    *,
    name: str,
    version: str,
    schedule_to_start: timedelta | None = None,
    start_to_close: timedelta | None = None,
    schedule_to_close: timedelta | None = None,
    heartbeat: timedelta | None = None,
    retry: RetryPolicy | None = None,
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Activity[P, R]]:
    """Decorator over the ``async def`` function that carries the activity out; None is «no deadline», «no retries».

    Called in a workflow it is scheduled, as any activity; ``registry.bind(it)`` makes a worker run the function. Use
    :func:`elbflow.flow.abstract_activity` where workflows must not import the code of workers.
    """
    declare: Callable[[Callable[P, Coroutine[Any, Any, R]]], Activity[P, R]] = abstract_activity(
        name=name,
        version=version,
        schedule_to_start=schedule_to_start,
        start_to_close=start_to_close,
        schedule_to_close=schedule_to_close,
        heartbeat=heartbeat,
        retry=retry,
    )
    return lambda function: replace(declare(function), abstract=False)
