"""DisableAvailabilityZone (spec/elb-control-plane 4.8).

::

    retire VMs || scale in ──> { zones || backends }

Beyond the original, zones and backends are put back too when another step fails: a zone whose VMs serve again is
enabled.
"""

from __future__ import annotations

from elbflow import flow
from elbflow.contract import activities, workflows
from elbflow_decider.workflows import outcome, steps


@flow.workflow(workflows.DISABLE_ZONE)
class DisableAvailabilityZone:
    """Compensates in reverse order."""

    async def run(self, request: workflows.ZonesInput) -> workflows.Outcome:
        return await outcome.of(self._disable(request))

    async def _disable(self, request: workflows.ZonesInput) -> None:
        async with flow.compensate() as undo:
            await steps.together(self._retire(undo, request), self._scale_in(undo, request))

    async def _retire(self, undo: flow.Compensation, request: workflows.ZonesInput) -> None:
        retired = await activities.disable_zones_retire_vms(request.key, request.zones)
        undo.push(activities.disable_zones_retire_vms_rollback, request.key, retired)

    async def _scale_in(self, undo: flow.Compensation, request: workflows.ZonesInput) -> None:
        # Pushed first: a step that failed halfway may have terminated VMs.
        undo.push(activities.disable_zones_scale_in_rollback, request.key, request.zones)
        await activities.disable_zones_scale_in(request.key, request.zones)
        await steps.together(self._persist(undo, request), self._mark_backends(undo, request))

    async def _persist(self, undo: flow.Compensation, request: workflows.ZonesInput) -> None:
        await activities.disable_zones_persist(request.key, request.zones)
        undo.push(activities.enable_zones_persist, request.key, request.zones)

    async def _mark_backends(self, undo: flow.Compensation, request: workflows.ZonesInput) -> None:
        await activities.disable_zones_mark_backends(request.key, request.zones)
        undo.push(activities.enable_zones_reset_backends, request.key, request.zones)
