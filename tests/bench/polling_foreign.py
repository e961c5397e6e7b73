"""A foreign tenant: stacks made with stock aiobotocore, in the account that we use as well.

A stack is an execution that its decider completes after one activity. Deciders and workers are naive loops; throttling
is left to botocore's own five tries, and what gets through none of them is tried again a second later.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import ClientError
from tests.bench import engine_flows

DOMAIN = "stacks"
POLLERS = 8
CONNECTIONS = 64
READ_TIMEOUT_S = 70
AGAIN_S = 1.0


@dataclass
class Phase:
    """What happened to the stacks of one phase. ``task_s``: from sending the start to having the decision task."""

    task_s: list[float] = field(default_factory=list)
    stack_s: list[float] = field(default_factory=list)
    wanted: int = 0
    calls: int = 0
    throttled: int = 0
    failed: int = 0

    def __iadd__(self, more: Phase) -> Phase:
        self.task_s += more.task_s
        self.stack_s += more.stack_s
        self.wanted += more.wanted
        self.calls += more.calls
        self.throttled += more.throttled
        self.failed += more.failed
        return self


class Foreigner:
    """Makes stacks at a steady rate."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._numbers = itertools.count()
        self._phase = Phase()
        self._begun: dict[str, float] = {}
        self._tasks: dict[str, float] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self.loops: list[asyncio.Task[None]] = []
        client.meta.events.register("response-received.swf", self._answered)

    def _answered(self, parsed_response: dict[str, Any] | None, **_: Any) -> None:
        self._phase.calls += 1
        code = (parsed_response or {}).get("Error", {}).get("Code")
        self._phase.throttled += code == "ThrottlingException"

    async def phase(self, seconds: float, per_s: float, settle_s: float) -> Phase:
        """Stacks for ``seconds``; those not done ``settle_s`` later count with the time they have taken until then."""
        phase = self._phase = Phase(wanted=int(seconds * per_s))
        names = [f"stack-{next(self._numbers)}" for _ in range(phase.wanted)]
        began = time.monotonic()
        stacks = []
        for turn, name in enumerate(names):
            await asyncio.sleep(max(0.0, began + turn / per_s - time.monotonic()))
            self._begun[name], self._ended[name] = time.monotonic(), asyncio.Event()
            stacks.append(asyncio.create_task(self._stack(name)))
        await asyncio.wait(stacks, timeout=settle_s)
        for loop in self.loops:
            if loop.done():
                loop.result()
        now = time.monotonic()
        phase.task_s = [self._tasks.get(name, now) - self._begun[name] for name in names]
        phase.stack_s = [
            (stack.result() if stack.done() else now) - self._begun[name]
            for name, stack in zip(names, stacks, strict=True)
        ]
        for stack in stacks:
            stack.cancel()
        await asyncio.gather(*stacks, return_exceptions=True)
        return phase

    async def _stack(self, name: str) -> float:
        """Start it and wait until it is complete; the time at which it was."""
        await self._until_it_works(
            lambda: self._client.start_workflow_execution(
                domain=DOMAIN,
                workflowId=name,
                workflowType=engine_flows.WORKFLOW,
                taskList={"name": "stacks"},
                taskStartToCloseTimeout="60",
            )
        )
        await self._ended[name].wait()
        return time.monotonic()

    async def decide(self) -> None:
        while True:
            task = await self._until_it_works(
                lambda: self._client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "stacks"})
            )
            if not task.get("taskToken"):
                continue
            name = task["workflowExecution"]["workflowId"]
            self._tasks.setdefault(name, time.monotonic())
            done = any(event["eventType"] == "ActivityTaskCompleted" for event in task["events"])
            decision: dict[str, Any] = {"decisionType": "CompleteWorkflowExecution"}
            if not done:
                attributes = {"activityType": engine_flows.ACTIVITY, "activityId": "1", "taskList": {"name": "work"}}
                decision = {
                    "decisionType": "ScheduleActivityTask",
                    "scheduleActivityTaskDecisionAttributes": attributes,
                }
            await self._answer(task, self._client.respond_decision_task_completed, decisions=[decision])
            if done:
                self._ended[name].set()

    async def work(self) -> None:
        while True:
            task = await self._until_it_works(
                lambda: self._client.poll_for_activity_task(domain=DOMAIN, taskList={"name": "work"})
            )
            if task.get("taskToken"):
                await self._answer(task, self._client.respond_activity_task_completed, result="done")

    async def _answer(self, task: dict[str, Any], respond: Callable[..., Awaitable[Any]], **members: Any) -> None:
        await self._until_it_works(lambda: respond(taskToken=task["taskToken"], **members))

    async def _until_it_works(self, call: Callable[[], Awaitable[Any]]) -> Any:
        while True:
            try:
                return await call()
            except ClientError as error:
                if error.response["Error"]["Code"] != "ThrottlingException":
                    raise
                self._phase.failed += 1
                await asyncio.sleep(AGAIN_S)


@contextlib.asynccontextmanager
async def foreigner(url: str, account: str) -> AsyncIterator[Foreigner]:
    """One with its deciders and workers polling, until the block ends."""
    place = {"region_name": "us-east-1", "aws_access_key_id": account, "aws_secret_access_key": "bench"}
    config = AioConfig(max_pool_connections=CONNECTIONS, read_timeout=READ_TIMEOUT_S)
    async with AioSession().create_client("swf", endpoint_url=url, config=config, **place) as client:
        made = Foreigner(client)
        for _ in range(POLLERS // 2):
            made.loops += [asyncio.create_task(made.decide()), asyncio.create_task(made.work())]
        try:
            yield made
        finally:
            for loop in made.loops:
                loop.cancel()
            await asyncio.gather(*made.loops, return_exceptions=True)
