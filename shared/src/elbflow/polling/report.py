"""Snapshots of the core: why each lane is or is not polling."""

from __future__ import annotations

from elbflow.polling.core import Core
from elbflow.polling.lane import LaneState
from elbflow.polling.statistics import LaneStatistics, SchedulerStatistics, Waiting


def of_lane(core: Core, lane: LaneState, now: float) -> LaneStatistics:
    """``lane`` at monotonic ``now``."""
    return LaneStatistics(
        task_list=lane.task_list,
        lane_class=lane.lane_class,
        target=core.allocator.target(lane),
        parked=lane.parked,
        slots=lane.slots,
        slots_used=lane.running,
        slots_free=lane.free_slots,
        pace_s=max(0.0, lane.pace.due(leader=lane.parked == 0) - now),
        unpolled_s=0.0 if lane.parked else max(0.0, now - lane.unpolled_since),
        last_outcome=lane.last_outcome,
        waiting=waiting_for(core, lane, now),
        tasks=lane.tasks,
        polls=lane.polls,
        failure=None if lane.failure is None else str(lane.failure),
    )


def of_scheduler(core: Core, profile: str, identity: str, now: float) -> SchedulerStatistics:
    """Everything at monotonic ``now``; lanes that are closed but not yet done are included."""
    return SchedulerStatistics(
        profile=profile,
        identity=identity,
        budget_limit=core.budget.limit,
        budget_used=core.budget.used,
        handlers=len(core.handlers),
        hold_s=core.feedback.hold.hold_s,
        issue_rate={kind: governor.rate for kind, governor in core.feedback.governors.items()},
        endpoint_open=not core.feedback.breaker.is_open,
        stopping=core.is_stopping,
        lanes=tuple(of_lane(core, lane, now) for lane in core.lanes.values()),
    )


def waiting_for(core: Core, lane: LaneState, now: float) -> Waiting:
    """The first thing that keeps ``lane`` from one more poll, in the order in which the core asks for them."""
    return _life(core, lane) or _own(core, lane, now) or _shared(core, lane, now) or Waiting.TURN


def _life(core: Core, lane: LaneState) -> Waiting | None:
    if lane.failure is not None:
        return Waiting.FAILED
    if not lane.is_open:
        return Waiting.CLOSED
    if core.is_stopping:
        return Waiting.DRAINING
    return None if core.is_running else Waiting.NOT_STARTED


def _own(core: Core, lane: LaneState, now: float) -> Waiting | None:
    target = core.allocator.target(lane)
    if target <= 0:
        return Waiting.NO_SLOT
    if lane.parked >= target:
        return Waiting.NOTHING
    return Waiting.PACED if lane.pace.due(leader=lane.parked == 0) > now else None


def _shared(core: Core, lane: LaneState, now: float) -> Waiting | None:
    if core.feedback.governors[lane.kind].ready_at(now) > now:
        return Waiting.NO_RATE
    if not core.feedback.breaker.may_issue(now):
        return Waiting.ENDPOINT_DOWN
    return None if core.budget.has_room(growth=lane.parked > 0) else Waiting.NO_BUDGET
