"""The engine as a process that may be killed at any instant, and a reader of everything it holds."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.bench import engine_http
from tests.soak.flows import ACTIVITY, DECISION_TIMEOUT_S, DECISIONS, DOMAIN, TYPE, WORK, Event
from tests.soak.ledger import Run

START_DEADLINE_S = 30.0
LINES_KEPT = 20
BEARABLE = frozenset({"loop_blocked"})
"""Errors in the log that say something about the machine's load, not about the engine's data."""


class Engine:
    """One process on ``data_dir``. Make it with :meth:`start`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.url = ""
        self.complaints: list[dict[str, Any]] = []
        self._log: deque[bytes] = deque(maxlen=LINES_KEPT)
        self._serving = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, data_dir: Path) -> Engine:
        """Start it without waiting until it serves."""
        command = [sys.executable, "-m", "elbflow_engine", "serve", "--data-dir", str(data_dir), "--port", "0"]
        command += ["--admin-port", "0", "--max-polls", "500", "--hold", "5"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ELBFLOW_")}
        process = await asyncio.create_subprocess_exec(
            *command, stderr=asyncio.subprocess.PIPE, env=environment, limit=2**20
        )
        return cls(process)

    async def serving(self) -> float:
        """Wait until it serves; the seconds that took."""
        began = time.perf_counter()
        ended = asyncio.create_task(self.process.wait())
        serving = asyncio.create_task(self._serving.wait())
        async with asyncio.timeout(START_DEADLINE_S):
            await asyncio.wait({ended, serving}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        serving.cancel()
        if not self.url:
            raise AssertionError(f"the engine did not start: {self.complaints}")
        return time.perf_counter() - began

    async def kill(self) -> None:
        """SIGKILL, now."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        await self._reader

    def story(self) -> str:
        """How it is and what it said last, for whoever looks into a failure."""
        said = b"".join(self._log).decode(errors="replace")
        return f"process {self.process.pid}, exit code {self.process.returncode}, last words:\n{said}"

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self._log.append(line)
            entry = json.loads(line)
            if entry["event"] == "engine_serving":
                self.url = entry["url"]
                self._serving.set()
            elif entry.get("level") in ("error", "critical") and entry["event"] not in BEARABLE:
                self.complaints.append(entry)


class Reading:
    """Everything an engine tells about its executions."""

    def __init__(self, url: str) -> None:
        self._client = engine_http.Client(url)

    async def prepare(self) -> None:
        """Register what the workflows need."""
        call = self._client.call
        await call("RegisterDomain", name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
        await call(
            "RegisterWorkflowType",
            domain=DOMAIN,
            **TYPE,
            defaultTaskList={"name": DECISIONS},
            defaultTaskStartToCloseTimeout=str(DECISION_TIMEOUT_S),
            defaultExecutionStartToCloseTimeout="600",
            defaultChildPolicy="TERMINATE",
        )
        await call("RegisterActivityType", domain=DOMAIN, **ACTIVITY, defaultTaskList={"name": WORK})

    async def history(self, run: Run) -> list[Event]:
        execution = {"workflowId": run[0], "runId": run[1]}
        events: list[Event] = []
        page: dict[str, Any] = {}
        while not events or "nextPageToken" in page:
            more: dict[str, Any] = {"nextPageToken": page["nextPageToken"]} if page else {}
            page = await self._client.call("GetWorkflowExecutionHistory", domain=DOMAIN, execution=execution, **more)
            events += page["events"]
        return events

    async def runs(self, which: str) -> AsyncIterator[Run]:
        """All executions of a list: ``Open`` or ``Closed``."""
        page: dict[str, Any] | None = None
        while page is None or "nextPageToken" in page:
            more: dict[str, Any] = {"nextPageToken": page["nextPageToken"]} if page else {}
            page = await self._client.call(
                f"List{which}WorkflowExecutions", domain=DOMAIN, startTimeFilter={"oldestDate": 0}, **more
            )
            for info in page["executionInfos"]:
                yield info["execution"]["workflowId"], info["execution"]["runId"]

    async def open_count(self) -> int:
        found = await self._client.call("CountOpenWorkflowExecutions", domain=DOMAIN, startTimeFilter={"oldestDate": 0})
        return int(found["count"])

    def close(self) -> None:
        self._client.close()
