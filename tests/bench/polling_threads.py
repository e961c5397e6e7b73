"""boto3: a client for all, a thread for each poll."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import boto3
from botocore.config import Config
from tests.bench.polling_pollers import DOMAIN, PLACE, POOL_SPARE, PROBE_TOKEN, READ_TIMEOUT_S, Plan, Record


class Threads:
    """A connection for every poll and for the respond beside it. The threads end with the process."""

    def __init__(self, plan: Plan, record: Record) -> None:
        config = Config(max_pool_connections=plan.wanted + POOL_SPARE, read_timeout=READ_TIMEOUT_S)
        self._client = boto3.client("swf", endpoint_url=plan.url, config=config, **PLACE)
        self._plan = plan
        self._record = record

    async def start(self) -> None:
        for name in self._plan.lists:
            for _ in range(self._plan.polls):
                threading.Thread(target=self._forever, args=(name,), daemon=True).start()

    async def probe(self) -> None:
        await asyncio.to_thread(self._client.respond_activity_task_completed, taskToken=PROBE_TOKEN)

    def state(self) -> dict[str, Any]:
        return {}

    def _forever(self, name: str) -> None:
        while True:
            try:
                answer = self._client.poll_for_activity_task(domain=DOMAIN, taskList={"name": name}, identity="bench")
                if self._record.answer(answer) and self._plan.answer:
                    time.sleep(self._plan.handler_s)
                    self._client.respond_activity_task_completed(taskToken=answer["taskToken"])
            except Exception as error:
                self._record.fault(error)


@asynccontextmanager
async def threads(plan: Plan, record: Record) -> AsyncIterator[Threads]:
    yield Threads(plan, record)
