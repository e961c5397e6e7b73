"""Snapshots of the core: why each lane is or is not polling."""

from __future__ import annotations

import dataclasses

from elbflow import swf
from elbflow.polling.allocation import place_of
from elbflow.polling.core import Core
from elbflow.polling.gauges import ClassTotals
from elbflow.polling.lane import LaneState
from elbflow.polling.statistics import GovernorStatistics, LaneStatistics, SchedulerStatistics, Waiting


def of_lane(core: Core, lane: LaneState, now: float) -> LaneStatistics:
    """``lane`` at monotonic ``now``."""
    return LaneStatistics(
        task_list=lane.task_list,
        lane_class=lane.lane_class,
        tenant=lane.tenant,
        weight=lane.weight,
        latency_critical=lane.latency_critical,
        max_dispatch_latency_s=lane.max_dispatch_latency_s,
        min_polls=lane.min_polls,
        wanted=lane.demand.wanted,
        ceiling=lane.ceiling.value,
        target=core.allocator.target(lane),
        parked=lane.parked,
        slots=lane.slots,
        slots_used=lane.running,
        slots_free=lane.free_slots,
        pace_s=max(0.0, lane.pace.due(leader=lane.parked == 0) - now),
        unpolled_s=0.0 if lane.parked else max(0.0, now - lane.unpolled_since),
        bound_s=core.sharing.bound_s(lane),
        last_outcome=lane.last_outcome,
        waiting=waiting_for(core, lane, now),
        early=lane.pace.early,
        failures=lane.pace.failures,
        hit_rate=lane.demand.hit_rate,
        wait_s=lane.demand.wait_s,
        hot=lane.demand.hot,
        arrivals=lane.demand.arrivals(now),
        handler_s=lane.demand.handler_s,
        blocked=lane.demand.is_blocked,
        backlog=lane.backlog,
        tasks=lane.tasks,
        polls=lane.polls,
        failure=None if lane.failure is None else str(lane.failure),
    )


def of_scheduler(core: Core, profile: str, identity: str, now: float, *, lanes: bool) -> SchedulerStatistics:
    """Everything at monotonic ``now``; lanes that are closed but not yet done are included.

    Without ``lanes`` only the totals, for which nothing is worked out per lane.
    """
    refused = next((lane for lane in core.lanes.values() if lane.failure is not None), None)
    return SchedulerStatistics(
        profile=profile,
        identity=identity,
        budget_limit=core.budget.limit,
        budget_used=core.budget.used,
        budget_reserve=core.budget.reserve,
        tenants=core.budget.tenants(),
        handlers=len(core.handlers),
        hold_s=core.feedback.hold.hold_s,
        sharing=core.sharing.worst,
        probes=dataclasses.replace(core.sharing.tally),
        governors=tuple(_of_governor(kind, governor, now) for kind, governor in core.feedback.governors.items()),
        endpoint_open=not core.feedback.breaker.is_open,
        endpoint_failing_rounds=core.feedback.breaker.rounds,
        endpoints=dict(core.endpoint_states()),
        stopping=core.is_stopping,
        lane_count=len(core.lanes),
        refused=None if refused is None else refused.task_list,
        refused_because=None if refused is None else str(refused.failure),
        lanes=tuple(of_lane(core, lane, now) for lane in core.lanes.values()) if lanes else (),
    )


def of_classes(core: Core, now: float) -> list[ClassTotals]:
    """The lanes at monotonic ``now``, added up by class and kind."""
    found: dict[tuple[str, swf.TaskKind], ClassTotals] = {}
    for lane in core.lanes.values():
        key = (lane.lane_class, lane.kind)
        totals = found.get(key)
        if totals is None:
            totals = found[key] = ClassTotals(*key)
        totals.lanes += 1
        totals.target += core.allocator.target(lane)
        totals.parked += lane.parked
        totals.running += lane.running
        totals.slots += lane.slots
        if lane.backlog is not None:
            totals.backlog = (totals.backlog or 0) + lane.backlog
        if not lane.parked and lane.takes_polls and lane.free_slots > 0:
            totals.unpolled_s = max(totals.unpolled_s, now - lane.unpolled_since)
    return list(found.values())


def _of_governor(kind: swf.TaskKind, governor: swf.RateGovernor, now: float) -> GovernorStatistics:
    return GovernorStatistics(
        kind=kind,
        rate=governor.rate,
        configured=governor.configured,
        next_token_s=max(0.0, governor.ready_at(now) - now),
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
    if core.budget.is_full:
        return Waiting.NO_BUDGET
    return None if core.has_room(lane.tenant, place_of(lane)[0]) else Waiting.KEPT
