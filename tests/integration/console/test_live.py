"""Streams of updates, and the console of a real process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.integration.console import browsing, shop
from tests.integration.engine import rig


class Stream:
    """Messages of one stream."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        self._content = answer.content

    async def next(self) -> tuple[str, dict[str, Any]]:
        """The next message that is no comment; its kind and body."""
        kind = ""
        while True:
            line = (await asyncio.wait_for(self._content.readline(), 10)).decode().rstrip("\n")
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                return kind, json.loads(line.removeprefix("data: "))

    async def until(self, kind: str, *parts: str) -> dict[str, Any]:
        """The first message of ``kind`` whose text holds all ``parts``."""
        async with asyncio.timeout(10):
            while True:
                found, body = await self.next()
                if found == kind and all(part in json.dumps(body) for part in parts):
                    return body


async def test_a_started_execution_shows_in_the_list_and_on_the_first_page(
    console: browsing.Pages, wire: rig.Wire
) -> None:
    listing = console.follow(shop.domain_address("live/executions"))
    async with console.follow("/console/live/home") as home, listing as listed:
        first, second = Stream(home), Stream(listed)
        await first.until("part", '"id": "domains"')
        await second.until("part", "No open execution")
        await wire.start("fresh")
        assert "fresh" in (await second.until("part", "fresh"))["html"]
        await first.until("part", '"id": "domains"', 'state=open\\">1<')


async def test_new_events_of_an_execution_arrive_with_its_picture(
    console: browsing.Pages, wire: rig.Wire, order: shop.Order
) -> None:
    page = await console.ok(order.address())
    [address] = [word for word in page.html.split('"') if word.startswith("/console/live/")]
    async with console.follow(address.replace("&amp;", "&")) as answer:
        stream = Stream(answer)
        await stream.until("part", '"id": "picture"')
        await wire.ok("SignalWorkflowExecution", domain=rig.DOMAIN, workflowId="order-1", signalName="late one")
        await stream.until("part", '"id": "picture"', "late one")
        rows = await stream.until("rows")
        assert "late one" in rows["html"]
        newest = rows["from"]
        await wire.ok("TerminateWorkflowExecution", domain=rig.DOMAIN, workflowId="order-1")
        assert "terminated" in (await stream.until("part", '"id": "facts"', "terminated"))["html"]
        closed = await stream.until("rows")
        assert closed["from"] > newest
    # After a reconnect the browser names the last event it has seen.
    async with console.follow(address.replace("&amp;", "&"), **{"Last-Event-ID": str(newest)}) as answer:
        assert (await Stream(answer).until("rows"))["from"] == newest + 1


async def test_viewers_are_bounded_and_leave_no_trace(console: browsing.Pages, wire: rig.Wire) -> None:
    held = [await console.follow("/console/live/home").__aenter__() for _ in range(16)]
    async with console.follow("/console/live/home") as refused:
        assert refused.status == 503
        assert refused.headers["Retry-After"]
    for answer in held:
        answer.close()
    async with asyncio.timeout(10):
        while True:
            async with console.follow("/console/live/home") as again:
                if again.status == 200:
                    await Stream(again).next()
                    break
            await asyncio.sleep(0.05)


async def test_what_is_looked_at_may_vanish(console: browsing.Pages, wire: rig.Wire) -> None:
    async with console.follow(shop.Order("no", "such").address("live/execution")) as answer:
        stream = Stream(answer)
        assert (await stream.next())[0] == "trouble"
        assert (await stream.next())[0] == "end"


@pytest.mark.parametrize("auth", ["off", "static"])
async def test_the_process_serves_it_beside_its_metrics_and_ends_streams_when_it_drains(
    session: aiohttp.ClientSession, tmp_path: Path, auth: str
) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text('{"keys": []}')
    keys.chmod(0o600)
    command = [sys.executable, "-m", "elbflow_engine", "serve", "--port", "0", "--admin-port", "0"]
    command += ["--max-polls", "500", "--data-dir", str(tmp_path / "engine")]
    if auth == "static":
        command += ["--auth", "static", "--keys", str(keys)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ELBFLOW_")}
    engine = rig.EngineProcess(
        await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, env=environment, limit=2**20)
    )
    try:
        await engine.serving()
        async with session.get(f"{engine.admin}/console") as page:
            assert page.status == 200
            assert "No domain is registered yet." in await page.text()
        async with session.get(f"{engine.url}/console", allow_redirects=False) as door:
            # Who must show a key to use the engine is not told where it can be looked at without one.
            assert door.status == (307 if auth == "off" else 404)
        async with session.get(f"{engine.admin}/console/live/home") as answer:
            stream = Stream(answer)
            await stream.next()
            engine.send(signal.SIGTERM)
            await stream.until("end")
        assert await engine.ended(within_s=8) == 0
    finally:
        await engine.kill()
