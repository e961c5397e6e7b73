"""Two sticky decision workers and an activity worker on the engine's core, in virtual time, with faults on schedule.

Every decision that a worker takes from memory it takes by full replay as well: the audits are the oracle.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

from prometheus_client import CollectorRegistry
from tests.property.flow.adversary import SIGNATURE, Interpreter, Offspring, Program, act, undo

from elbflow import errors, flow, polling, swf
from elbflow.clock import ManualClock
from elbflow_engine.testing import FaultSchedule, SwfDouble

DOMAIN = "test"
LIST = "general"


class Fleet:
    """What the tests look at. ``metrics`` of both deciders count together."""

    workflows: tuple[type, ...] = (Interpreter, Offspring)

    def __init__(self, service: SwfDouble, clock: ManualClock, faults: FaultSchedule, rng: random.Random) -> None:
        self.service = service
        self.clock = clock
        self.faults = faults
        self.rng = rng
        self.client = flow.Client(service, DOMAIN, LIST)
        self.registry = CollectorRegistry()
        self.metrics = flow.Metrics(self.registry)
        self.deciders: list[contextlib.AsyncExitStack] = []

    async def act(self, number: int) -> int:
        await self.clock.sleep(self.rng.choice([0.0, 0.3, 7.0]))
        fate = self.rng.random() if self.faults.active else 1.0
        if fate < 0.1:
            raise errors.Permanent("no")
        if fate < 0.2:
            raise OSError("again")
        return 2 * number

    async def undo(self, number: int) -> int:
        return number

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    async def add_decider(self, identity: str, sticky: flow.Sticky | None) -> contextlib.AsyncExitStack:
        """A worker with a scheduler of its own, like a process."""
        async with contextlib.AsyncExitStack() as stack:
            scheduler = polling.Scheduler(
                self.service,
                profile=polling.EndpointProfile.local(),
                identity=identity,
                clock=self.clock,
                rng=random.Random(self.rng.random()),
            )
            await self.soon(stack.enter_async_context(scheduler))
            worker = flow.DecisionWorker(
                self.service,
                scheduler,
                domain=DOMAIN,
                task_list=LIST,
                workflows=self.workflows,
                identity=identity,
                sticky=sticky,
                clock=self.clock,
                rng=random.Random(self.rng.random()),
                metrics=self.metrics,
            )
            await self.soon(stack.enter_async_context(worker))
            decider = stack.pop_all()
            self.deciders.append(decider)
            return decider
        raise AssertionError("never here")

    async def soon(self, awaited: Any) -> Any:
        """The outcome of ``awaited``, letting time pass meanwhile."""
        task = asyncio.ensure_future(awaited)
        while not task.done():
            await self.clock.advance(0.5)
        return task.result()

    async def start(self, programs: list[Program]) -> list[swf.Execution]:
        started = []
        for number, program in enumerate(programs):
            name = f"w{number}"
            started.append(swf.Execution(name, await self.soon(self.client.start(SIGNATURE, name, program))))
        return started

    async def poke(self, workflow_id: str) -> None:
        """Signal in the middle of whatever goes on: a close that is under way will be refused."""
        with contextlib.suppress(swf.SwfError):
            await self.service.signal_workflow_execution(DOMAIN, workflow_id, "poke", input="1")

    async def until_closed(self, executions: list[swf.Execution], longest_s: float) -> None:
        """Let time pass, poke at random, until all are closed. AssertionError when that takes longer."""
        began = self.clock.monotonic()
        while self.service.statistics().open_executions:
            assert self.clock.monotonic() - began < longest_s, self.service.histories(DOMAIN)
            await self.clock.advance(self.rng.choice([0.01, 0.1, 0.5, 3.0]))
            if self.faults.active:
                await self.soon(self.poke(self.rng.choice(executions).workflow_id))


@contextlib.asynccontextmanager
async def fleet(
    seed: int, *stickies: flow.Sticky | None, workflows: tuple[type, ...] = (Interpreter, Offspring), **faults: float
) -> AsyncIterator[Fleet]:
    """A fleet with one decider for each of ``stickies``."""
    clock, rng = ManualClock(), random.Random(seed)
    schedule = FaultSchedule.seeded(seed, **faults)
    schedule.active = False
    async with contextlib.AsyncExitStack() as stack:
        service = await stack.enter_async_context(SwfDouble(clock, random.Random(seed + 1), schedule))
        await service.register_domain(DOMAIN, retention_days=1)
        made = Fleet(service, clock, schedule, rng)
        made.workflows = workflows
        for number, sticky in enumerate(stickies):
            await made.add_decider(f"decider-{number}", sticky)
        registry = flow.ActivityRegistry()
        registry.bind(act, made.act)
        registry.bind(undo, made.undo)
        scheduler = polling.Scheduler(
            service, profile=polling.EndpointProfile.local(), identity="activities", clock=clock, rng=rng
        )
        await made.soon(scheduler.__aenter__())
        worker = flow.ActivityWorker(
            service, scheduler, domain=DOMAIN, task_list=LIST, registry=registry, identity="a", rng=rng, clock=clock
        )
        await made.soon(worker.__aenter__())
        yield made
        schedule.active = False
        closings: list[contextlib.AbstractAsyncContextManager[Any]] = [*made.deciders, worker, scheduler]
        for closing in closings:
            await made.soon(closing.__aexit__(None, None, None))
