"""The agent host under observation: ``elbflow-agent host`` that times the steps of every push.

python -m tests.bench.agent_child REPORT host ...

SIGUSR1 begins a period: the loop's thread is sampled every millisecond of CPU time, and how late the loop runs a tick
is measured. SIGUSR2 ends it: what was seen goes to the file REPORT as JSON. Between periods nothing is measured but
the steps, which costs nothing while nobody pushes.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
from tests.bench import engine_child

from elbflow import flow, service, swf
from elbflow.contract import vm_activities
from elbflow_agent import __main__ as program
from elbflow_agent import worker
from elbflow_agent.haproxy import apply, commands, master, runtime, structure
from elbflow_agent.servo import servo
from elbflow_agent.servo.memory import Memory

TICK_S = 0.01
SHOWN = 70
ANSWERED = "received to answered at SWF"
STEPS: tuple[tuple[str, Any, str], ...] = (
    ("in the activity", worker.VmActivities, "set_load_balancer"),
    ("in the servo", servo.Servo, "apply"),
    ("converge", apply.Applier, "converge"),
    ("observe", apply.Applier, "_observe"),
    ("can be bound", structure.Structure, "bindable"),
    ("validate", structure.Structure, "checked"),
    ("haproxy -c", commands, "run"),
    ("reload and file", structure.Structure, "reload"),
    ("reload until the tag", master.Master, "reload"),
    ("probe", structure.Structure, "_await_listening"),
    ("runtime commands", apply.Applier, "_execute"),
    ("departures", apply.Applier, "_depart"),
    ("runtime: observe", runtime.Runtime, "observe"),
    ("document to disk", Memory, "save_document"),
)

_times: contextvars.ContextVar[dict[str, float] | None] = contextvars.ContextVar("times", default=None)


class Observer:
    """What one period brought."""

    def __init__(self, report: Path) -> None:
        self._report = report
        self._sampler = engine_child.Sampler()
        self._ticking: asyncio.Task[None] | None = None
        self._began = self._collecting = 0.0
        self._late_s: list[float] = []
        self._collections: list[float] = []
        self.pushes: list[dict[str, float]] = []
        gc.callbacks.append(self._on_collection)

    def begin(self) -> None:
        self._sampler, self._late_s, self._collections, self.pushes = engine_child.Sampler(), [], [], []
        self._began = time.process_time()
        self._sampler.start()
        self._ticking = asyncio.create_task(self._tick())

    def end(self) -> None:
        self._sampler.stop()
        assert self._ticking is not None
        self._ticking.cancel()
        seen = {
            "cpu_s": time.process_time() - self._began,
            "samples": self._sampler.own.total(),
            "own": self._sampler.own.most_common(SHOWN),
            "within": self._sampler.within.most_common(3 * SHOWN),
            "late_s": self._late_s,
            "collections_s": self._collections,
            "pushes": self.pushes,
        }
        unfinished = self._report.with_suffix(".new")
        unfinished.write_bytes(orjson.dumps(seen))
        os.replace(unfinished, self._report)

    async def _tick(self) -> None:
        while True:
            due = time.monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            self._late_s.append(max(0.0, time.monotonic() - due))

    def _on_collection(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._collecting = time.perf_counter()
        else:
            self._collections.append(time.perf_counter() - self._collecting)


def _time_steps(observer: Observer) -> None:
    for name, owner, method in STEPS:
        setattr(owner, method, _timed(name, getattr(owner, method)))
    handle = flow.ActivityWorker.handle

    async def timed(self: flow.ActivityWorker, task: swf.ActivityTask) -> None:
        if task.activity_type.name != vm_activities.set_load_balancer.type.name:
            return await handle(self, task)
        times: dict[str, float] = {}
        began = time.monotonic()
        token = _times.set(times)
        try:
            await handle(self, task)
        finally:
            _times.reset(token)
            times[ANSWERED] = time.monotonic() - began
            observer.pushes.append(times)

    flow.ActivityWorker.handle = timed  # type: ignore[method-assign]
    _follow_through_redis()


def _follow_through_redis() -> None:
    """The servo's half runs in a task that knows nothing of the activity: they find each other by VM and generation."""
    ask, carry_out = worker.VmActivities.set_load_balancer, servo.Servo.apply
    waiting: dict[tuple[str, str, int], dict[str, float]] = {}

    async def asking(self: Any, document: Any) -> Any:
        times = _times.get()
        key = (self._instance_id, document.key.name, document.generation)
        if times is not None:
            waiting[key] = times
        try:
            return await ask(self, document)
        finally:
            waiting.pop(key, None)

    async def carrying_out(self: Any, wanted: Any) -> Any:
        vm = self._options.directory.name
        token = _times.set(waiting.get((vm, wanted.key.name, wanted.generation)))
        try:
            return await carry_out(self, wanted)
        finally:
            _times.reset(token)

    worker.VmActivities.set_load_balancer = asking  # type: ignore[method-assign]
    servo.Servo.apply = carrying_out  # type: ignore[method-assign]


def _timed(name: str, function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(function)
    async def timed(*arguments: Any, **options: Any) -> Any:
        times = _times.get()
        if times is None:
            return await function(*arguments, **options)
        began = time.monotonic()
        try:
            return await function(*arguments, **options)
        finally:
            times[name] = times.get(name, 0.0) + time.monotonic() - began

    return timed


def main() -> int:
    report, *rest = sys.argv[1:]
    observer = Observer(Path(report))
    _time_steps(observer)
    run = service.run

    def observed(serve: service.Main, *arguments: Any, **options: Any) -> int:
        async def serving(process: service.Process) -> None:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGUSR1, observer.begin)
            loop.add_signal_handler(signal.SIGUSR2, observer.end)
            await serve(process)

        return run(serving, *arguments, **options)

    setattr(service, run.__name__, observed)
    return program.main(rest)


if __name__ == "__main__":
    sys.exit(main())
