"""The worker of one VM: carries out the VM activities by asking the servo (spec/vm-agent-data-plane 8).

The task list is the VM's instance id. The worker holds no state but parts of a large document until its last one comes:
whatever it was doing when it died, SWF's deadlines have it done again, and every request to the servo may be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, TypeVar

import structlog

from elbflow import clock, flag, flow, polling, swf
from elbflow.contract import document, transport, vm_activities
from elbflow_agent import entering, ipc, original

_APPLY_WITHIN_S = 25.0
_ANSWER_MARGIN_S = 5.0
_HEALTH_HOLD_S = 45 * 60.0
_LONGEST_PERIOD_S = 90.0
_QUIET_PERIODS = 4
_LEAVE_S = 10.0
_SLOTS = 8
_SWF_BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)

LANE_CLASS = "vm"

_log = structlog.get_logger(__name__)

_T = TypeVar("_T")


class _Work:
    """Entered by each activity in progress; ``idle`` is set while there is none."""

    __slots__ = ("_count", "idle")

    def __init__(self) -> None:
        self.idle = flag.Flag()
        self.idle.set()
        self._count = 0

    def __enter__(self) -> None:
        self._count += 1
        self.idle.clear()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._count -= 1
        if self._count == 0:
            self.idle.set()


class VmActivities:
    """The activities of one VM. Failures of the servo fail the activity; SWF's caller decides about repetition.

    Leaving the context waits for the activities in progress, so that the servo is still there for their answers.
    """

    def __init__(self, instance_id: str, client: ipc.Client, time: clock.Clock) -> None:
        self._instance_id = instance_id
        self._client = client
        self._time = time
        self._leaving = False
        self._waiting: list[asyncio.Timeout] = []
        self._work = _Work()
        self._assembly = transport.Assembly()
        # VMs that were launched together must not all report in the same minute.
        self._patience = 1 + zlib.crc32(instance_id.encode()) % _QUIET_PERIODS

    async def __aenter__(self) -> VmActivities:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                await self._work.idle.wait()

    def let_go(self) -> None:
        """End the activities that wait: they answer with what there is, so that a stopping worker drains at once."""
        self._leaving = True
        for patience in self._waiting:
            patience.reschedule(asyncio.get_running_loop().time())

    async def set_load_balancer(self, document: document.LoadBalancerDocument) -> document.Applied:
        """Have the servo apply the document."""
        with self._work:
            return await self._client.call(self._instance_id, ipc.APPLY, document, within_s=_APPLY_WITHIN_S)

    async def set_load_balancer_part(self, part: transport.Part) -> document.Applied | None:
        """Keep a part of a document; have the servo apply the document with the last one."""
        whole = self._assembly.add(part)
        return await self.set_load_balancer(whole) if whole is not None else None

    async def get_instance_status(self, known_digest: str) -> document.HealthReport:
        """Wait for news, all in one request: that the servo still lives is the IPC client's business."""
        with self._work:
            try:
                report = await self._unless_leaving(self._health(known_digest, _HEALTH_HOLD_S))
            except ipc.NoAnswer:
                report = None  # a servo that was restarted meanwhile waits the whole time anew, beyond our deadline
            return report if report is not None else await self._health(known_digest, 0.0)

    async def get_cloudwatch_metrics(self, period_s: float, acknowledge: int) -> document.MetricsReport:
        """Let the period pass, then settle ``acknowledge`` and fetch what is due.

        A VM that served nobody looks again after the next period, four times at most: a report is a sign of life too.
        """
        query = ipc.MetricsQuery(acknowledge)
        with self._work:
            patience, self._patience = self._patience, _QUIET_PERIODS
            while True:
                await self._unless_leaving(self._time.sleep(min(max(period_s, 0.0), _LONGEST_PERIOD_S)))
                report = await self._client.call(self._instance_id, ipc.METRICS, query, within_s=2 * _ANSWER_MARGIN_S)
                patience -= 1
                if report.counters or patience <= 0 or self._leaving:
                    return report

    def _health(self, known_digest: str, wait_s: float) -> Coroutine[Any, Any, document.HealthReport]:
        query = ipc.HealthQuery(known_digest, wait_s)
        return self._client.call(self._instance_id, ipc.HEALTH, query, within_s=wait_s + _ANSWER_MARGIN_S)

    async def _unless_leaving(self, work: Coroutine[Any, Any, _T]) -> _T | None:
        """The result of ``work``, or None when the worker leaves before it is there."""
        try:
            async with asyncio.timeout(0 if self._leaving else None) as patience:
                self._waiting.append(patience)
                return await work
        except TimeoutError:
            if not patience.expired():
                raise
            return None
        finally:
            self._waiting.remove(patience)

    @functools.cached_property
    def original(self) -> original.Activities:
        """What carries out calls in the original's form."""
        return original.Activities(self._instance_id, self._client, self._work)

    def registry(self) -> flow.ActivityRegistry:
        """The activities, bound, also in the form in which the original asks for them."""
        return _table().of(self)


@functools.cache
def _table() -> flow.ActivityRegistry:
    """The activities of any VM, which they take as their first argument."""
    own = flow.ActivityRegistry()
    own.bind_method(vm_activities.set_load_balancer, VmActivities.set_load_balancer)
    own.bind_method(vm_activities.set_load_balancer_part, VmActivities.set_load_balancer_part)
    own.bind_method(vm_activities.get_instance_status, VmActivities.get_instance_status)
    own.bind_method(vm_activities.get_cloudwatch_metrics, VmActivities.get_cloudwatch_metrics)
    return original.beside(own, lambda vm: vm.original)


class Happening(Protocol):
    """What happens once: a flag, or asyncio's own event."""

    def is_set(self) -> bool: ...
    async def wait(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Workers:
    """What the workers of all VMs of a process share. Clients, scheduler and metrics live longer than any worker."""

    service: swf.Service
    scheduler: polling.Scheduler
    client: ipc.Client
    domain: str
    identity: str
    time: clock.Clock
    rng: random.Random
    metrics: flow.Metrics
    registered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the types are registered: hundreds of VMs need not each do it again."""

    async def serve(
        self, instance_id: str, leaving: Happening, tell: Callable[[str | None], None] = lambda _: None
    ) -> None:
        """Poll for the VM until it is ``leaving``; SWF may come later than we.

        ``tell`` hears None whenever the VM is polled for, and why SWF does not let it be when it is not.
        """
        failures = 0
        while not leaving.is_set():
            try:
                # SWF may let us wait for long.
                async with entering.Through(_given_up(leaving), self.serving(instance_id)):
                    tell(None)
                    await leaving.wait()
            except TimeoutError:
                if not leaving.is_set():
                    raise
            except polling.SchedulerStopped:  # The process stops, and the VM will hear of it.
                await leaving.wait()
            except swf.SwfError as error:
                if failures == 0:
                    _log.warning("vm_worker_waits", instance=instance_id, reason=str(error))
                tell(str(error))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_SWF_BACKOFF_S[min(failures, len(_SWF_BACKOFF_S) - 1)]):
                        await leaving.wait()
                failures += 1

    @contextlib.asynccontextmanager
    async def serving(self, instance_id: str) -> AsyncIterator[None]:
        """Poll the VM's task list meanwhile.

        On exit its lane is closed and waiting activities are let go; all tasks in progress are answered.
        """
        activities = VmActivities(instance_id, self.client, self.time)
        async with (
            activities,
            flow.ActivityWorker(
                self.service,
                self.scheduler,
                domain=self.domain,
                task_list=instance_id,
                registry=activities.registry(),
                identity=self.identity,
                slots=_SLOTS,
                max_polls=1,  # a second parked poll would add nothing but calls: tasks of one VM are rare
                lane_class=LANE_CLASS,
                registers=not self.registered.is_set(),
                clock=self.time,
                rng=self.rng,
                metrics=self.metrics,
            ),
        ):
            self.registered.set()
            try:
                yield
            finally:
                activities.let_go()


@contextlib.asynccontextmanager
async def _given_up(event: Happening) -> AsyncIterator[None]:
    """Cancel what is inside as soon as ``event`` is set, and raise TimeoutError."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as patience:
        watching = asyncio.create_task(event.wait())

        def end(_: asyncio.Task[bool]) -> None:
            patience.reschedule(loop.time())

        watching.add_done_callback(end)
        try:
            yield
        finally:
            watching.remove_done_callback(end)
            watching.cancel()
