"""PerformServiceHealthCheck: one in the cloud, brings everything back in line once a minute (spec 4.13).

::

    keep workflows running ──> check VMs ──> check backends ──> publish health ──> clean up ──> recycle
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from elbflow import flow
from elbflow.contract import activities, workflows

ROUNDS = 10
STEPS: tuple[tuple[str, Callable[[], Awaitable[object]]], ...] = (
    ("run_continuous_workflows", activities.run_continuous_workflows),
    ("check_vms", activities.check_vms),
    ("check_backends", activities.check_backends),
    ("put_cloudwatch_instance_health", activities.put_cloudwatch_instance_health),
    ("cleanup_vms", activities.cleanup_vms),
    ("recycle_failed_vms", activities.recycle_failed_vms),
)


@flow.workflow(workflows.SERVICE_HEALTH_CHECK)
class PerformServiceHealthCheck:
    """A step that fails is logged and comes again in the next round; the others do not wait for it to heal."""

    async def run(self, request: workflows.ServiceHealthInput) -> None:
        period = timedelta(seconds=request.period_s)
        for _ in range(ROUNDS):
            begun = flow.now()
            await self._round()
            await flow.sleep(max(timedelta(0), begun + period - flow.now()))
        raise flow.continue_as_new(request)

    async def _round(self) -> None:
        for name, step in STEPS:
            try:
                await step()
            except flow.ActivityError as error:
                flow.logger.warning("health_check_step_failed", step=name, error=str(error))
