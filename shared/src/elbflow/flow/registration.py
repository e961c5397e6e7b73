"""Registering domains and types; whoever comes second finds everything in place (spec/swf-semantics 6.1, 6.2).

What a type was registered with never changes. Of all defaults only the task list matters here: workflows name every
timeout themselves in each decision, so a changed one takes effect at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog

from elbflow import swf
from elbflow.flow.signatures import Activity, WorkflowSignature

_log = structlog.get_logger(__name__)

_Describe = Callable[[str, swf.TypeId], Awaitable[swf.TypeDetail]]


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

    What is registered already stays as it is; a warning is logged when it is deprecated, or when its default list is
    another one. Raises the errors of :mod:`elbflow.swf`; cancelled or failed midway, what was registered stays
    registered and a repetition does the rest.
    """
    if retention_days is not None:
        with contextlib.suppress(swf.AlreadyExists):
            await service.register_domain(domain, retention_days=retention_days)
    for signature in workflows:
        try:
            await service.register_workflow_type(
                domain,
                signature.type,
                task_list=task_list,
                execution_timeout=signature.execution_timeout,
                decision_timeout=signature.decision_timeout,
                child_policy=signature.child_policy,
            )
        except swf.AlreadyExists:
            await _compare(service.describe_workflow_type, domain, signature.type, task_list)
    for activity in activities:
        options = activity.options
        try:
            await service.register_activity_type(
                domain,
                activity.type,
                task_list=task_list,
                schedule_to_start=options.schedule_to_start,
                start_to_close=options.start_to_close,
                schedule_to_close=options.schedule_to_close,
                heartbeat=options.heartbeat,
            )
        except swf.AlreadyExists:
            await _compare(service.describe_activity_type, domain, activity.type, task_list)


async def _compare(describe: _Describe, domain: str, type_: swf.TypeId, task_list: str | None) -> None:
    """Say what will not work as this worker expects. That it cannot be found out is no reason not to work."""
    named = {"domain": domain, "type": type_.name, "version": type_.version}
    try:
        registered = await describe(domain, type_)
    except swf.SwfError as error:
        _log.info("registered_type_not_compared", error=str(error), **named)
        return
    if registered.deprecated:
        _log.warning(
            "registered_type_is_deprecated",
            consequence="tasks that wait are carried out, but SWF takes no new ones",
            remedy="call Undeprecate…Type, or declare a new version",
            **named,
        )
    if task_list is not None and registered.task_list != task_list:
        _log.warning(
            "registered_type_has_another_task_list",
            registered=registered.task_list,
            wanted=task_list,
            consequence="what does not name a task list goes to the registered one",
            remedy="declare a new version, or name the list: activity.using(task_list=…), start_child(task_list=…)",
            **named,
        )
