"""Registering domains and types; whoever comes second finds everything in place (spec/swf-semantics 6.1, 6.2)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from elbflow import swf
from elbflow.flow.signatures import Activity, WorkflowSignature


async def register_types(
    service: swf.Service,
    domain: str,
    *,
    retention_days: int | None = None,
    workflows: Iterable[WorkflowSignature[Any, Any]] = (),
    activities: Iterable[Activity[..., Any]] = (),
    task_list: str | None = None,
) -> None:
    """Register the domain (when ``retention_days`` is given) and the types, with ``task_list`` as their default list.

    What is registered already stays as it is. Raises the errors of :mod:`elbflow.swf`; cancelled or failed midway,
    what was registered stays registered and a repetition does the rest.
    """
    if retention_days is not None:
        with contextlib.suppress(swf.AlreadyExists):
            await service.register_domain(domain, retention_days=retention_days)
    for signature in workflows:
        with contextlib.suppress(swf.AlreadyExists):
            await service.register_workflow_type(
                domain,
                signature.type,
                task_list=task_list,
                execution_timeout=signature.execution_timeout,
                decision_timeout=signature.decision_timeout,
                child_policy=signature.child_policy,
            )
    for activity in activities:
        options = activity.options
        with contextlib.suppress(swf.AlreadyExists):
            await service.register_activity_type(
                domain,
                activity.type,
                task_list=task_list,
                schedule_to_start=options.schedule_to_start,
                start_to_close=options.start_to_close,
                schedule_to_close=options.schedule_to_close,
                heartbeat=options.heartbeat,
            )
