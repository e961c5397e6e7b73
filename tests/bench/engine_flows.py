"""What the load does: whole workflows of seven calls, and polls that stay parked."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from tests.bench.engine_http import POLL_DEADLINE_S, Answer, Client, Refused

DOMAIN = "bench"
WORKFLOW: dict[str, Any] = {"name": "bench", "version": "1"}
ACTIVITY: dict[str, Any] = {"name": "work", "version": "1"}
INPUT = "x" * 300


async def prepare(url: str, domain: str = DOMAIN, account: str = "111122223333") -> None:
    """Register the domain and the two types, with every default."""
    client = Client(url, account)
    await client.call("RegisterDomain", name=domain, workflowExecutionRetentionPeriodInDays="1")
    await client.call(
        "RegisterWorkflowType",
        domain=domain,
        **WORKFLOW,
        defaultTaskList={"name": "unused"},
        defaultTaskStartToCloseTimeout="60",
        defaultExecutionStartToCloseTimeout="86400",
        defaultChildPolicy="TERMINATE",
    )
    await client.call(
        "RegisterActivityType",
        domain=domain,
        **ACTIVITY,
        defaultTaskList={"name": "unused"},
        defaultTaskScheduleToStartTimeout="NONE",
        defaultTaskScheduleToCloseTimeout="NONE",
        defaultTaskStartToCloseTimeout="60",
        defaultTaskHeartbeatTimeout="NONE",
    )
    client.close()


async def start(client: Client, workflow_id: str, task_list: str, domain: str = DOMAIN, timeout_s: int = 60) -> str:
    """Start an execution whose decisions come on ``task_list``; its run id."""
    started = await client.call(
        "StartWorkflowExecution",
        domain=domain,
        workflowId=workflow_id,
        workflowType=WORKFLOW,
        taskList={"name": task_list},
        taskStartToCloseTimeout=str(timeout_s),
        input=INPUT,
        tagList=["bench"],
    )
    return str(started["runId"])


async def complete(client: Client, token: str) -> None:
    """Answer a decision task by completing its execution."""
    decision = {
        "decisionType": "CompleteWorkflowExecution",
        "completeWorkflowExecutionDecisionAttributes": {"result": "done"},
    }
    await client.call("RespondDecisionTaskCompleted", taskToken=token, decisions=[decision])


async def cycle(client: Client, workflow_id: str, task_list: str, domain: str = DOMAIN) -> None:
    """Start, decide, work, decide, close: seven calls one after the other."""
    await start(client, workflow_id, task_list, domain)
    task = await _task(client, "Decision", domain, task_list)
    schedule = {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": {
            "activityType": ACTIVITY,
            "activityId": "a1",
            "taskList": {"name": task_list},
            "input": INPUT,
        },
    }
    await client.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=[schedule])
    task = await _task(client, "Activity", domain, task_list)
    await client.call("RespondActivityTaskCompleted", taskToken=task["taskToken"], result=INPUT)
    task = await _task(client, "Decision", domain, task_list)
    await complete(client, task["taskToken"])


async def _task(client: Client, kind: str, domain: str, task_list: str) -> Any:
    """Poll until there is a task: a server that does not hold polls may need several."""
    while True:
        task = await client.poll(kind, domain, task_list)
        if task is not None:
            return task


class Cycles:
    """``width`` clients that run cycles one after the other, each on a task list of its own."""

    def __init__(
        self,
        url: str,
        width: int,
        domain: str = DOMAIN,
        account: str = "111122223333",
        name: str = "w",
        per_s: float = math.inf,
    ) -> None:
        """``name`` tells their executions and task lists from those of others in the same domain; ``per_s`` cycles
        are begun a second at most.
        """
        self._clients = [Client(url, account) for _ in range(width)]
        self._domain = domain
        self._name = name
        self._every_s = 1 / per_s
        self._next = 0.0
        self._number = 0
        self.done = 0

    async def run(self, count: int) -> float:
        """Complete ``count`` cycles; the seconds it took."""
        last = self._number + count
        return await self.run_while(lambda: self._number < last)

    async def run_for(self, seconds: float) -> float:
        """Run cycles for about ``seconds``; cycles per second."""
        ends = time.perf_counter() + seconds
        before = self.done
        took = await self.run_while(lambda: time.perf_counter() < ends)
        return (self.done - before) / took

    async def run_while(self, going: Callable[[], bool]) -> float:
        """Start new cycles as long as ``going``; the seconds until the last one was complete."""
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for lane, client in enumerate(self._clients):
                group.create_task(self._lane(f"{self._name}-lane-{lane}", client, going))
        return time.perf_counter() - began

    def close(self) -> None:
        for client in self._clients:
            client.close()

    async def _lane(self, task_list: str, client: Client, going: Callable[[], bool]) -> None:
        while going():
            await self._turn()
            self._number += 1
            await cycle(client, f"{self._name}{self._number}", task_list, self._domain)
            self.done += 1

    async def _turn(self) -> None:
        now = time.monotonic()
        self._next = max(self._next, now - 1.0) + self._every_s
        if self._every_s:
            await asyncio.sleep(max(0.0, self._next - now))


@dataclass
class Seat:
    """One poll that is sent again whenever it ends. ``empties`` are the seconds its empty polls were held."""

    client: Client
    account: str
    domain: str
    task_list: str
    empties: list[float] = field(default_factory=list)
    tasks: list[tuple[str, float]] = field(default_factory=list)


class Parked:
    """Long polls on task lists of their own; tasks they receive are completed and noted with the time of arrival."""

    def __init__(self, url: str, lists: Sequence[tuple[str, str, str]]) -> None:
        """``lists``: account, domain and task list of each poll."""
        self._url = url
        self.seats = [Seat(Client(url, account), account, domain, name) for account, domain, name in lists]
        self._running: list[asyncio.Task[None]] = []

    @contextlib.asynccontextmanager
    async def sitting(self, at_once: int = 100) -> AsyncIterator[Parked]:
        """Park all of them, ``at_once`` connecting at a time; they go away when the context is left."""
        try:
            for first in range(0, len(self.seats), at_once):
                seats = self.seats[first : first + at_once]
                await asyncio.gather(*(seat.client.connect() for seat in seats))
                self._running += [asyncio.create_task(self._sit(seat)) for seat in seats]
                await self._accepted()
            yield self
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.wait(self._running)
            for seat in self.seats:
                seat.client.close()
        for task in self._running:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _accepted(self) -> None:
        """Wait until the server has accepted everybody so far: a newer connection is served. Its backlog is finite."""
        first = self.seats[0]
        newcomer = Client(self._url, first.account)
        await newcomer.call("DescribeDomain", name=first.domain)
        newcomer.close()

    @property
    def failed(self) -> list[str]:
        """Why polls ended that should not have."""
        return [repr(task.exception()) for task in self._running if task.done() and not task.cancelled()]

    @property
    def empties(self) -> list[float]:
        return [held for seat in self.seats for held in seat.empties]

    @property
    def tasks(self) -> dict[str, float]:
        """When each execution's decision task arrived, by workflow id."""
        return {name: at for seat in self.seats for name, at in seat.tasks}

    async def _sit(self, seat: Seat) -> None:
        request = seat.client.encode(
            "PollForDecisionTask", {"domain": seat.domain, "taskList": {"name": seat.task_list}}
        )
        while True:
            sent = time.monotonic()
            answer = await seat.client.send(request, POLL_DEADLINE_S)
            if answer.status != 200:
                raise Refused("PollForDecisionTask", answer.status, answer.body)
            if b'"taskToken"' not in answer.body:
                seat.empties.append(answer.at - sent)
                continue
            await self._finish(seat, answer)

    async def _finish(self, seat: Seat, answer: Answer) -> None:
        task = orjson.loads(answer.body)
        seat.tasks.append((task["workflowExecution"]["workflowId"], answer.at))
        await complete(seat.client, task["taskToken"])
