"""Whether this build may take over the executions of a domain: their histories are replayed against it.

An execution whose decisions this build would take otherwise is stuck after a deployment, until a build comes that takes
them as recorded. Better known before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from elbflow import swf
from elbflow.flow import definition
from elbflow.flow.recordings import History
from elbflow.flow.replaying import Verdict, examine

DOWNLOADS = 4
"""Histories on their way at the same time."""


@dataclass(frozen=True, slots=True)
class Examined:
    """An execution and what became of its history; ``gone`` when SWF had deleted it before it could be read."""

    info: swf.ExecutionInfo
    verdict: Verdict
    gone: bool = False

    @property
    def word(self) -> str:
        """same, breaks, unknown or gone."""
        if self.gone:
            return "gone"
        if not self.verdict.known:
            return "unknown"
        return "breaks" if self.verdict.breaks else "same"


async def examine_domain(
    service: swf.Service,
    domain: str,
    workflow_classes: Sequence[type],
    *,
    closed: int = 20,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Examined, ...]:
    """Replay all open executions of ``domain``, and the newest ``closed`` of each type of this build.

    ``progress`` hears how many of how many are done. Executions of types that this build does not have are not read.
    Raises :class:`swf.SwfError`. Cancelled, it leaves nothing behind.
    """
    listed = await _listed(service, domain, workflow_classes, closed)
    found: list[Examined | None] = [None] * len(listed)
    places = iter(list(enumerate(listed)))
    done = 0

    async def work() -> None:
        nonlocal done
        for place, info in places:  # shared: each worker takes the next one
            found[place] = await _examine(service, domain, workflow_classes, info)
            done += 1
            progress(done, len(listed))

    progress(0, len(listed))
    async with asyncio.TaskGroup() as workers:
        for _ in range(DOWNLOADS):
            workers.create_task(work())
    return tuple(one for one in found if one is not None)


async def download(service: swf.Service, domain: str, workflow_id: str, run_id: str | None = None) -> History | None:
    """The history of a run; of the open or else the newest one without ``run_id``. None when there is none."""
    execution = swf.Execution(workflow_id, run_id or "")
    if run_id is None:
        rows = await service.list_open_workflow_executions(domain, workflow_id=workflow_id)
        rows = rows or await service.list_closed_workflow_executions(domain, workflow_id=workflow_id, limit=1)
        if not rows:
            return None
        execution = rows[0].execution
    try:
        return History(tuple(await service.get_workflow_execution_history(domain, execution)), execution)
    except swf.UnknownResource:
        return None


async def _listed(
    service: swf.Service, domain: str, workflow_classes: Sequence[type], closed: int
) -> list[swf.ExecutionInfo]:
    rows = list(await service.list_open_workflow_executions(domain))
    for kind in definition.by_type(workflow_classes) if closed > 0 else ():
        try:
            rows += await service.list_closed_workflow_executions(domain, workflow_type=kind, limit=closed)
        except swf.UnknownResource:
            continue  # a type that this build brings anew
    return list({row.execution: row for row in rows}.values())  # one may have closed while we were listing


async def _examine(
    service: swf.Service, domain: str, workflow_classes: Sequence[type], info: swf.ExecutionInfo
) -> Examined:
    kind, name = info.workflow_type, f"{info.execution.workflow_id} {info.execution.run_id}"
    if kind not in definition.by_type(workflow_classes):
        return Examined(info, Verdict(name, kind.name, kind.version, known=False))
    history = await download(service, domain, info.execution.workflow_id, info.execution.run_id)
    if history is None:
        return Examined(info, Verdict(name, kind.name, kind.version), gone=True)
    return Examined(info, examine(workflow_classes, history, name))
