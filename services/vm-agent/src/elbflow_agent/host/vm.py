"""One VM inside the host: its servo, its place in the IPC server and its lane."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import random
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from elbflow import clock, errors, flag
from elbflow.contract import document
from elbflow_agent import assembly, entering, ipc, meters
from elbflow_agent.accesslog import api as accesslog
from elbflow_agent.haproxy import place, preview
from elbflow_agent.health import timetable
from elbflow_agent.host.credentials import HostExchange
from elbflow_agent.host.records import VmRecord
from elbflow_agent.servo import Servo, ServoOptions, ServoStatistics, draining_s
from elbflow_agent.worker import Workers

_log = structlog.get_logger(__name__)


class VmState(enum.StrEnum):
    """States of a VM as the control API shows them."""

    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class VmView:
    """A VM for the control API; ``servo`` is None until it runs."""

    record: VmRecord
    state: VmState
    servo: ServoStatistics | None


@dataclass(frozen=True, slots=True)
class VmShared:
    """What all VMs of a host share."""

    run_dir: Path
    binary: str
    limits: place.Limits
    removal_grace_s: float
    server: ipc.Server
    workers: Workers
    time: clock.Clock
    rng: random.Random
    instruments: meters.Meters
    starting: asyncio.Semaphore
    exchange: HostExchange | None = None
    """None: no certificate can be had."""
    server_connections: int = 0
    first_success: bool = False
    shipping: accesslog.Shipping | None = None
    times: timetable.Timetable | None = None
    reloading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_reloads_at_once()))
    """A reload takes 40 ms of CPU time: many at once would only be slower, and everything else late."""


def _reloads_at_once() -> int:
    """Enough to keep the cores busy, and few enough for others to have their turn."""
    return 1 + len(os.sched_getaffinity(0))


class HostedVm:
    """A VM as one supervised task. :meth:`leave` keeps its HAProxy as it is, :meth:`retire` ends it.

    One whose record says that it ends has a HAProxy that was told to stop, by us or by an earlier process.
    """

    def __init__(self, record: VmRecord, directory: Path, shared: VmShared) -> None:
        self.record = record
        self._shared = shared
        self._exchange = shared.exchange.of(record) if shared.exchange is not None else None
        self._servo = Servo(
            ServoOptions(
                address=record.address,
                directory=directory,
                binary=shared.binary,
                owner=record.key,
                limits=shared.limits,
                removal_grace_s=shared.removal_grace_s,
                server_connections=shared.server_connections,
                first_success=shared.first_success,
                key_directory=self._exchange.key_directory if self._exchange is not None else None,
                is_ending=record.ends_at is not None,
            ),
            time=shared.time,
            rng=shared.rng,
            instruments=shared.instruments,
            certificates=self._exchange.source if self._exchange is not None else None,
            shipping=shared.shipping,
            reloading=shared.reloading,
            times=shared.times,
        )
        self._state = VmState.STARTING if record.ends_at is None else VmState.DRAINING
        self._started = flag.Flag()
        self._leaving = flag.Flag()
        self._lane_left = flag.Flag()
        self._is_over = record.ends_at is not None
        self._is_abandoned = False
        self._finishing: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> VmState:
        return self._state

    def view(self) -> VmView:
        servo = self._servo.statistics() if self._state is VmState.RUNNING else None
        return VmView(self.record, self._state, servo)

    async def preview(self, wanted: document.LoadBalancerDocument) -> preview.Preview:
        """What applying ``wanted`` would change; raises :class:`errors.Retryable` until the VM runs."""
        if self._state is not VmState.RUNNING:
            raise errors.Retryable(f"the VM is {self._state}")
        return await self._servo.preview(wanted)

    def look_at_certificates(self) -> None:
        """Ask IAM now whether there is another content, whenever that was due."""
        if self._exchange is not None:
            self._exchange.source.look()

    def start(self) -> None:
        """Bring the VM up in the background; it never raises, see :attr:`state`."""
        self._task = asyncio.create_task(self._guarded(), name=f"vm-{self.record.instance_id}")

    async def started(self) -> None:
        """Wait until the VM runs or has failed."""
        await self._started.wait()

    async def leave(self) -> None:
        """End the VM's part of this process; HAProxy goes on serving, or finishing."""
        self._state = VmState.STOPPING
        self._is_abandoned = True
        self._leaving.set()
        if self._finishing is not None:
            self._finishing.cancel()
        if self._task is not None:
            await self._task

    async def leave_lane(self) -> None:
        """Return when a VM that ends is asked nothing any more."""
        await self._lane_left.wait()

    def farewell_s(self, otherwise: float) -> float:
        """How long connections have when the VM goes: the draining timeout, ``otherwise`` while draining is off."""
        wanted = self._servo.in_force
        return draining_s(wanted.attributes, otherwise) if wanted is not None else otherwise

    async def retire(self, record: VmRecord) -> None:
        """End the VM, which is ``record`` now and runs; HAProxy accepts no connection any more on return.

        What it serves finishes in the background, see :meth:`ended`.
        """
        self.record, self._state = record, VmState.DRAINING
        try:
            await self._servo.soft_stop()
        except Exception:
            _log.exception("vm_not_stopped_softly", instance=record.instance_id)  # its time ends all the same
        finally:
            self._leaving.set()
        if not self._is_abandoned and self._finishing is None:
            self._finishing = asyncio.create_task(self._finish(record), name=f"drain-{record.instance_id}")

    async def ended(self) -> bool:
        """Wait until the VM's part of this process has ended; whether HAProxy has ended too, and for good."""
        if self._task is not None:
            await asyncio.wait([self._task])
        return not self._is_abandoned

    async def forget(self) -> None:
        """Remove its keys: it is no more."""
        if self._exchange is not None:
            await self._exchange.forget()

    async def _guarded(self) -> None:
        try:
            await self._run()
        except Exception:
            self._state = VmState.FAILED
            _log.exception("vm_failed", instance=self.record.instance_id)
            await (self._finished() if self._finishing is not None else self._end_at_once())
        finally:
            self._started.set()
            self._lane_left.set()

    async def _run(self) -> None:
        if self._is_over:
            await self._see_off()
        else:
            await self._serve()
        left = "serving" if self.record.ends_at is None else "finishing" if self._is_abandoned else "stopped"
        _log.info("vm_left", instance=self.record.instance_id, haproxy=left)

    async def _see_off(self) -> None:
        """Go on with the end that an earlier process began."""
        self._lane_left.set()
        async with entering.Through(self._shared.starting, self._servo):
            await self.retire(self.record)
            self._started.set()
            await self._finished()

    async def _finish(self, record: VmRecord) -> None:
        """Let HAProxy finish."""
        ends_at = record.ends_at or 0.0
        try:
            await self._servo.finish(max(0.0, ends_at - self._shared.time.now()))
        except Exception:
            _log.exception("vm_not_ended", instance=record.instance_id)

    async def _finished(self) -> None:
        """Wait until HAProxy has finished, or until the process ends, when another one will go on."""
        if self._finishing is not None:
            await asyncio.wait([self._finishing])

    async def _end_at_once(self) -> None:
        """The end of a VM that failed: nothing else may ever come to end its HAProxy, and the keys in its memory."""
        if self.record.ends_at is None:
            return
        try:
            await self._servo.stop_data_plane(0.0)
        except Exception:
            _log.exception("vm_not_ended", instance=self.record.instance_id)

    async def _serve(self) -> None:
        instance_id, shared = self.record.instance_id, self._shared
        async with self._exchange or contextlib.nullcontext(), entering.Through(shared.starting, self._servo) as servo:
            await shared.server.add(instance_id, assembly.handlers(servo, self.record.key.account))
            try:
                if not self._leaving.is_set():
                    self._state = VmState.RUNNING
                self._started.set()
                _log.info("vm_running", instance=instance_id, address=self.record.address)
                await shared.workers.serve(instance_id, self._leaving)
            finally:
                await shared.server.remove(instance_id)
                self._lane_left.set()
            await self._finished()
