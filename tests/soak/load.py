"""Clients that keep an engine busy and write down what it acknowledges."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from tests.bench import engine_http
from tests.soak import flows
from tests.soak.ledger import Ledger, Run

OPEN_MOST = 150
BROKEN = (ConnectionError, TimeoutError)
PAUSE_S = 0.05


class Refused(Exception):
    """The engine refused a call; ``code`` is the fault's name."""

    def __init__(self, operation: str, code: str, message: str) -> None:
        super().__init__(f"{operation}: {code}: {message}")
        self.code = code


class Load:
    """Starters, deciders and workers. :attr:`url` names the engine; clear :attr:`running` to make them pause.

    A client whose connection breaks tries the same call again with the next engine, as a real one would.
    """

    def __init__(self, ledger: Ledger, chance: random.Random, steps: int) -> None:
        self.url = ""
        self.running = asyncio.Event()
        self.open = 0
        """Open executions, as the engine counted them lately."""
        self.starting = True
        self.calls = 0
        self._ledger = ledger
        self._steps = steps
        self._chance = chance
        self._numbers = itertools.count()

    async def run(self, scale: int) -> None:
        """Until cancelled, with ``scale`` clients of each kind."""
        async with asyncio.TaskGroup() as clients:
            clients.create_task(self._counter(_Caller(self)))
            for _ in range(scale):
                for client in (self._starter, self._decider, self._worker, self._worker):
                    clients.create_task(client(_Caller(self)))

    async def _counter(self, call: _Caller) -> None:
        while True:
            body = await call("CountOpenWorkflowExecutions", startTimeFilter={"oldestDate": 0})
            self.open = body["count"]
            await asyncio.sleep(4 * PAUSE_S)

    async def _starter(self, call: _Caller) -> None:
        while True:
            if not self.starting or self.open >= OPEN_MOST:
                await asyncio.sleep(PAUSE_S)
                continue
            name = f"w{next(self._numbers)}"
            given = orjson.dumps(flows.plan(self._chance, self._steps)).decode()
            run_id = await self._start(call, name, given)
            if run_id is None:
                continue
            run = (name, run_id)
            self._note(run, self._ledger.started.add)
            for number in range(self._chance.choice((0, 1, 2))):
                await self._signal(call, run, f"{name}.{number}")
            if self._chance.random() < 0.04:
                await self._end(call, run)

    async def _start(self, call: _Caller, name: str, given: str) -> str | None:
        """The run id, or None when only an attempt whose answer was lost can have started it."""
        try:
            body = await call("StartWorkflowExecution", workflowId=name, input=given, **flows.configuration())
        except Refused as refused:
            if refused.code != "WorkflowExecutionAlreadyStartedFault" or not call.repeated:
                raise
            return None
        return str(body["runId"])

    async def _signal(self, call: _Caller, run: Run, name: str) -> None:
        if await self._accepted(call("SignalWorkflowExecution", **_named(run), signalName=name)) and not call.repeated:
            self._note(run, lambda run: self._ledger.signalled[run].append(name))

    async def _end(self, call: _Caller, run: Run) -> None:
        operation, book = self._chance.choice(
            (
                ("TerminateWorkflowExecution", self._ledger.terminated),
                ("RequestCancelWorkflowExecution", self._ledger.cancel_requested),
            )
        )
        if await self._accepted(call(operation, **_named(run))):
            self._note(run, book.add)

    async def _decider(self, call: _Caller) -> None:
        while True:
            task = await self._poll(call, "Decision", flows.DECISIONS)
            if task is None or self._chance.random() < 0.01:
                continue
            run, decisions = _run_of(task), flows.decide(task["workflowExecution"]["workflowId"], task["events"])
            await self._answer(
                call,
                ("Decision", task["startedEventId"], "DecisionTaskCompleted"),
                run,
                call("RespondDecisionTaskCompleted", domain=None, taskToken=task["taskToken"], decisions=decisions),
            )

    async def _worker(self, call: _Caller) -> None:
        while True:
            task = await self._poll(call, "Activity", flows.WORK)
            if task is None or self._chance.random() < 0.02:
                continue
            run, token = _run_of(task), task["taskToken"]
            if self._chance.random() < 0.2:
                await self._accepted(call("RecordActivityTaskHeartbeat", domain=None, taskToken=token))
            how = "Failed" if self._chance.random() < 0.1 else "Completed"
            await self._answer(
                call,
                ("Activity", task["startedEventId"], f"ActivityTask{how}"),
                run,
                call(f"RespondActivityTask{how}", domain=None, taskToken=token),
            )

    async def _poll(self, call: _Caller, kind: str, task_list: str) -> Any:
        task = await call.once(f"PollFor{kind}Task", taskList={"name": task_list})
        if task is None or not task.get("taskToken"):
            return None
        run = _run_of(task)
        self._note(run, lambda run: self._ledger.delivered[run].update([(kind, task["startedEventId"])]))
        return task

    async def _answer(self, call: _Caller, what: tuple[str, int, str], run: Run, answering: Awaitable[Any]) -> None:
        if await self._accepted(answering):
            self._note(run, lambda run: self._ledger.answered[run].add(what))
        elif not call.repeated:
            self._note(run, lambda run: self._ledger.refused[run].add(what[:2]))

    async def _accepted(self, calling: Awaitable[Any]) -> bool:
        """Whether a call was acknowledged; it may find its run or task gone."""
        try:
            await calling
        except Refused as refused:
            if refused.code != "UnknownResourceFault":
                raise
            return False
        return True

    def _note(self, run: Run, write: Callable[[Run], object]) -> None:
        self._ledger.touched.add(run)
        write(run)


class _Caller:
    """One client's connection."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._client: engine_http.Client | None = None
        self._url = ""
        self.repeated = False
        """Whether the last call was tried more than once, so that the answer to an earlier try may be lost."""

    async def __call__(self, operation: str, **params: Any) -> Any:
        """Call until there is an answer. Raises :class:`Refused`."""
        self.repeated = False
        while True:
            try:
                return await self._try(operation, params)
            except BROKEN:
                self.repeated = True
                await asyncio.sleep(PAUSE_S)

    async def once(self, operation: str, **params: Any) -> Any:
        """Call once; None when the answer is lost."""
        try:
            return await self._try(operation, params)
        except BROKEN:
            await asyncio.sleep(PAUSE_S)
            return None

    async def _try(self, operation: str, params: dict[str, Any]) -> Any:
        await self._load.running.wait()
        if self._client is None or self._url != self._load.url:
            self._url = self._load.url
            self._client = engine_http.Client(self._url)
        body = {name: value for name, value in {"domain": flows.DOMAIN, **params}.items() if value is not None}
        answer = await self._client.send(self._client.encode(operation, body), 20.0)
        self._load.calls += 1
        parsed: Any = orjson.loads(answer.body) if answer.body else None
        if answer.status == 503:
            raise ConnectionResetError(answer.body)
        if answer.status != 200:
            raise Refused(operation, parsed["__type"].partition("#")[2], str(parsed.get("message")))
        return parsed


def _named(run: Run) -> dict[str, str]:
    return {"workflowId": run[0], "runId": run[1]}


def _run_of(task: dict[str, Any]) -> Run:
    execution = task["workflowExecution"]
    return execution["workflowId"], execution["runId"]
