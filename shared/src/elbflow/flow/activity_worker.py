"""Carrying out activity tasks: run the bound function, keep it alive, answer whatever came of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import structlog
from prometheus_client import CollectorRegistry

from elbflow import clock as clocks
from elbflow import errors as roots
from elbflow import polling, swf, tasks
from elbflow.flow import errors, failures
from elbflow.flow.activity_context import ActivityContext, enter
from elbflow.flow.metrics import Metrics
from elbflow.flow.registration import register_types
from elbflow.flow.registry import ActivityRegistry, Binding

CLEANUP_S = 5.0
"""How long an activity may clean up after this process was told a second time to stop."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What SWF is told: ``outcome`` is completed, failed, stopped, canceled, or gone (nothing to tell)."""

    outcome: str
    result: str | None = None
    reason: str = ""
    details: str | None = None
    delivered: Callable[[], None] | None = None


class ActivityWorker:
    """Carries out the activities of ``registry`` that wait on ``task_list``, ``slots`` at a time, with
    at most ``max_polls`` polls parked (default: what the endpoint's profile says) and at least ``min_polls``.

    ``async with`` registers their types, unless ``registers`` says that it was done, and polls meanwhile; on exit the
    lane is closed, and tasks that a parked poll still brings are given back (WORKER_STOPPED). A worker of lane class
    ``service`` registers its list as the types' default; others serve one list among many, which workflows name
    themselves.
    """

    def __init__(
        self,
        service: swf.Service,
        scheduler: polling.Scheduler,
        *,
        domain: str,
        task_list: str,
        registry: ActivityRegistry,
        identity: str,
        slots: int = 16,
        max_polls: int | None = None,
        min_polls: int = 1,
        lane_class: str = "service",
        registers: bool = True,
        clock: clocks.Clock | None = None,
        rng: random.Random | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._service = service
        self._scheduler = scheduler
        self._task_list = swf.TaskList(swf.TaskKind.ACTIVITY, domain, task_list)
        self._registry = registry
        self._identity = identity
        self._slots = slots
        self._max_polls = max_polls
        self._min_polls = min_polls
        self._lane_class = lane_class
        self._registers = registers
        self._clock = clock or clocks.SystemClock()
        self._rng = rng or random.Random()  # noqa: S311  # spreads heartbeats, guards nothing
        self._metrics = metrics or Metrics(CollectorRegistry())
        self._lane: polling.Lane | None = None

    async def __aenter__(self) -> Self:
        if self._registers:
            await register_types(
                self._service,
                self._task_list.domain,
                activities=self._registry.activities(),
                task_list=self._task_list.name if self._lane_class == "service" else None,
            )
        self._lane = self._scheduler.add_lane(
            self._task_list,
            self.handle,
            slots=self._slots,
            max_polls=self._max_polls,
            min_polls=self._min_polls,
            lane_class=self._lane_class,
            on_orphan=self.give_back,
        )
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._lane is not None:
            await self._lane.close()

    async def handle(self, task: swf.ActivityTask) -> None:
        """Carry out one activity and answer it.

        Cancelled here, the activity gets :data:`CLEANUP_S` seconds to clean up and is answered all the same: as
        canceled if the workflow had asked for that, else as failed with WORKER_STOPPED.
        """
        began = self._clock.monotonic()
        found = self._prepared(task)
        answer, aborted = (found, False) if isinstance(found, _Answer) else await self._run(task, *found)
        await self._deliver(task, answer)
        elapsed_s = self._clock.monotonic() - began
        self._metrics.activity_seconds.labels(task.activity_type.name, answer.outcome).observe(elapsed_s)
        if aborted:
            raise asyncio.CancelledError

    async def give_back(self, task: swf.ActivityTask) -> None:
        """Answer a task that came too late to be begun, so that its workflow can go on at once (5.8, 5.13).

        A draining worker's (WORKER_SHUTDOWN) is another worker's work; otherwise the list has no worker any more.
        """
        draining = self._scheduler.is_stopping
        await self._deliver(task, _shut_down() if draining else _stopped())
        self._metrics.activity_seconds.labels(task.activity_type.name, "stopped").observe(0.0)

    def _prepared(self, task: swf.ActivityTask) -> _Answer | tuple[Binding, tuple[Any, ...]]:
        """What to run with which arguments, or the answer to a task that cannot be carried out."""
        binding = self._registry.find(task.activity_type)
        if binding is None:
            return self._unknown(task)
        try:
            return binding, binding.activity.decode_arguments(task.input)
        except errors.PayloadMismatch as error:
            return self._failure(task, error)

    def _unknown(self, task: swf.ActivityTask) -> _Answer:
        """Not permanent: while versions change, another worker of the list may carry it out."""
        wanted, versions = task.activity_type, ", ".join(self._registry.versions(task.activity_type.name))
        message = (
            f"{self._identity} has no activity {wanted.name!r} in version {wanted.version!r}"
            f" ({f'it has {versions}' if versions else 'nor in any other'}) on list {self._task_list.name!r}"
        )
        _log.error("activity_unknown", message=message, workflow_id=task.execution.workflow_id)
        reason, details = failures.describe("UnknownActivity", message, permanent=False)
        return _Answer("failed", reason=reason, details=details)

    async def _run(self, task: swf.ActivityTask, binding: Binding, arguments: tuple[Any, ...]) -> tuple[_Answer, bool]:
        context = ActivityContext(self._service, task, self._clock)
        work = asyncio.create_task(
            _invoke(binding, arguments), name=f"activity-{task.activity_id}", context=enter(context)
        )
        context.started(work)
        beating = self._keep_alive(context, binding)
        aborted = False
        try:
            await tasks.ended(work)
        except asyncio.CancelledError:
            aborted = True
            work.cancel()
            await asyncio.wait({work}, timeout=CLEANUP_S)
        finally:
            if beating is not None:
                await _stop(beating)
            context.ended()
        return self._judge(task, context, work, aborted=aborted), aborted

    def _keep_alive(self, context: ActivityContext, binding: Binding) -> asyncio.Task[None] | None:
        heartbeat = binding.activity.options.heartbeat
        if heartbeat is None:
            return None
        return asyncio.create_task(context.keep_alive(heartbeat.total_seconds(), self._rng))

    def _judge(
        self, task: swf.ActivityTask, context: ActivityContext, work: asyncio.Task[str], *, aborted: bool
    ) -> _Answer:
        if context.gone:
            return _Answer("gone")
        if not work.done():
            return _stopped()
        if work.cancelled():
            if context.cancel_requested:
                return _Answer("canceled", details=context.details)
            if aborted:
                return _stopped()
            return self._failure(task, asyncio.CancelledError("the activity cancelled itself"))
        error = work.exception()
        if error is not None:
            return self._failure(task, error)
        return _Answer("completed", result=work.result(), delivered=context.delivered)

    def _failure(self, task: swf.ActivityTask, error: BaseException) -> _Answer:
        reason, details = failures.encode(error)
        planned = isinstance(error, roots.Permanent)
        _log.warning(
            "activity_failed",
            activity=task.activity_type.name,
            activity_id=task.activity_id,
            workflow_id=task.execution.workflow_id,
            run_id=task.execution.run_id,
            permanent=planned,
            error=failures.message_of(error),
            exc_info=None if planned else error,
        )
        return _Answer("failed", reason=reason, details=details)

    async def _deliver(self, task: swf.ActivityTask, answer: _Answer) -> None:
        """Send the answer to the end, even if this process is told meanwhile to stop at once."""
        sending = asyncio.ensure_future(self._send(task, answer))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            await asyncio.wait({sending}, timeout=CLEANUP_S)
            raise

    async def _send(self, task: swf.ActivityTask, answer: _Answer) -> None:
        service, name = self._service, task.activity_type.name
        try:
            match answer.outcome:
                case "completed":
                    await service.respond_activity_task_completed(task.token, answer.result)
                    if answer.delivered is not None:
                        answer.delivered()
                case "canceled":
                    await service.respond_activity_task_canceled(task.token, answer.details)
                case "failed" | "stopped":
                    await service.respond_activity_task_failed(task.token, answer.reason, answer.details)
        except swf.UnknownResource:
            self._metrics.activities_stale.labels(name).inc()
            _log.info("activity_answer_stale", activity=name, run_id=task.execution.run_id)
        except swf.SwfError as error:
            # The activity's own deadline will tell the workflow.
            _log.error("activity_answer_not_delivered", activity=name, run_id=task.execution.run_id, error=str(error))


async def _invoke(binding: Binding, arguments: tuple[Any, ...]) -> str:
    return binding.activity.encode_result(await binding.implementation(*arguments))


async def _stop(beating: asyncio.Task[None]) -> None:
    beating.cancel()
    (ended,) = await asyncio.gather(beating, return_exceptions=True)
    if isinstance(ended, Exception):
        _log.error("heartbeats_broke_off", exc_info=ended)


def _stopped() -> _Answer:
    reason, details = failures.describe(failures.WORKER_STOPPED, "the worker stopped", permanent=False)
    return _Answer("stopped", reason=reason, details=details)


def _shut_down() -> _Answer:
    reason, details = failures.describe(failures.WORKER_SHUTDOWN, "the worker shuts down", permanent=False)
    return _Answer("stopped", reason=reason, details=details)
