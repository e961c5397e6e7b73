"""Clients and processes that the engine's integration tests share."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import boto3
import botocore.config

DOMAIN = "house"
TYPE = {"name": "greet", "version": "1"}
LIST = {"name": "main"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["__type"].partition("#")[2])


class Wire:
    """A client that signs nothing and hides nothing."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def send(self, operation: str, body: Any = None, **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        target = {"X-Amz-Target": f"SimpleWorkflowService.{operation}", "Content-Type": "application/x-amz-json-1.0"}
        merged = target | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.post(merged, raw)

    async def post(self, headers: dict[str, str], body: bytes) -> Answer:
        async with self._session.post(self.url, data=body, headers=headers) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def ok(self, operation: str, **params: Any) -> Any:
        answer = await self.send(operation, params)
        assert answer.status == 200, answer.body
        return answer.json if answer.body else None

    async def prepare(self) -> None:
        """A domain and a workflow type with every default, and an activity type."""
        await self.ok("RegisterDomain", name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
        await self.ok(
            "RegisterWorkflowType",
            domain=DOMAIN,
            **TYPE,
            defaultTaskList=LIST,
            defaultTaskStartToCloseTimeout="30",
            defaultExecutionStartToCloseTimeout="300",
            defaultChildPolicy="TERMINATE",
        )
        await self.ok(
            "RegisterActivityType",
            domain=DOMAIN,
            name="hello",
            version="1",
            defaultTaskList={"name": "workers"},
            defaultTaskScheduleToStartTimeout="NONE",
            defaultTaskScheduleToCloseTimeout="NONE",
            defaultTaskStartToCloseTimeout="60",
            defaultTaskHeartbeatTimeout="NONE",
        )

    async def start(self, workflow_id: str, **params: Any) -> str:
        started = await self.ok(
            "StartWorkflowExecution", domain=DOMAIN, workflowId=workflow_id, workflowType=TYPE, **params
        )
        return str(started["runId"])

    async def poll_decision(self, **params: Any) -> Any:
        return await self.ok("PollForDecisionTask", domain=DOMAIN, taskList=LIST, **params)

    async def decide(self, token: str, *decisions: dict[str, Any]) -> None:
        await self.ok("RespondDecisionTaskCompleted", taskToken=token, decisions=list(decisions))

    async def history(self, workflow_id: str, run_id: str) -> list[Any]:
        execution = {"workflowId": workflow_id, "runId": run_id}
        found = await self.ok("GetWorkflowExecutionHistory", domain=DOMAIN, execution=execution)
        return list(found["events"])

    async def eventually_parked(self, count: int, *, kind: str = "decision", metrics: str) -> None:
        """Wait until the engine itself counts ``count`` parked polls of ``kind``."""
        wanted = f'swfd_parked_polls{{domain="{DOMAIN}",kind="{kind}"}} {float(count)}'
        async with asyncio.timeout(30):
            while wanted not in await self.metrics(metrics):
                await asyncio.sleep(0.01)

    async def metrics(self, base: str) -> str:
        async with self._session.get(f"{base}/metrics") as response:
            return await response.text()


def boto_client(
    url: str,
    *,
    access_key: str = "111122223333",
    secret: str = "anything",
    attempts: int = 1,
    region: str = "us-east-1",
) -> Any:
    return boto3.client(
        "swf",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        config=botocore.config.Config(retries={"total_max_attempts": attempts}, read_timeout=70),
    )


class EngineProcess:
    """``python -m elbflow_engine serve`` as an operator runs it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.url = ""
        self.admin = ""
        self.log: list[dict[str, Any]] = []
        self._reader = asyncio.create_task(self._read())
        self._serving = asyncio.Event()

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            entry = json.loads(line)
            self.log.append(entry)
            if entry["event"] == "engine_serving":
                self.url = entry["url"]
            if entry["event"] == "admin_serving":
                self.admin = entry["url"]
                self._serving.set()

    async def serving(self) -> None:
        started = asyncio.create_task(self._serving.wait())
        ended = asyncio.create_task(self.process.wait())
        async with asyncio.timeout(45):
            await asyncio.wait({started, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        started.cancel()
        assert self.url, self.log

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self, within_s: float) -> int:
        async with asyncio.timeout(within_s):
            code = await self.process.wait()
            await self._reader
        return code

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.ended(5)


Launch = Callable[..., Awaitable[EngineProcess]]
