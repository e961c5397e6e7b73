"""History pages on their way to clients take room until they are gone (spec/swf-long-poll-scale 6.8)."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import aiohttp
import prometheus_client
from tests.integration.engine import rig

from elbflow import service
from elbflow_engine import core, meters, server

PAYLOAD = "x" * 30_000
MOST_BYTES = 16 * 1024 * 1024


async def long_history(wire: rig.Wire) -> dict[str, Any]:
    """A run whose only page is some eight megabytes: more than the kernel buffers for a client that does not read."""
    await wire.prepare()
    run_id = await wire.start("w")
    task = await wire.poll_decision()
    markers = [
        {
            "decisionType": "RecordMarker",
            "recordMarkerDecisionAttributes": {"markerName": f"m{number}", "details": PAYLOAD},
        }
        for number in range(30)
    ]
    for _ in range(9):
        await wire.ok("SignalWorkflowExecution", domain=rig.DOMAIN, workflowId="w", signalName="s")
        await wire.decide(task["taskToken"], *markers)
        task = await wire.poll_decision()
    return {"domain": rig.DOMAIN, "execution": {"workflowId": "w", "runId": run_id}}


async def until_used(running: server.Server, least: int, most: int) -> None:
    async with asyncio.timeout(5):
        while not least <= running._driver.pages.used <= most:
            await asyncio.sleep(0.005)


async def test_a_page_takes_room_until_its_reader_has_it_or_is_gone(session: aiohttp.ClientSession) -> None:
    meter = meters.Meters(prometheus_client.CollectorRegistry())
    async with server.serve(
        server.Configuration(service.AcceptAll(), limits=core.Limits(history_page_bytes=MOST_BYTES)), meter
    ) as running:
        wire = rig.Wire(session, running.url)
        params = await long_history(wire)
        page = await wire.ok("GetWorkflowExecutionHistory", **params)
        assert len(json.dumps(page)) > 8_000_000
        await until_used(running, 0, 0)

        host, port = running.url.removeprefix("http://").split(":")
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.setblocking(False)
            await asyncio.get_running_loop().sock_connect(slow, (host, int(port)))
            body = json.dumps(params).encode()
            head = (
                f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
                "X-Amz-Target: SimpleWorkflowService.GetWorkflowExecutionHistory\r\n\r\n"
            )
            await asyncio.get_running_loop().sock_sendall(slow, head.encode() + body)
            await until_used(running, 8_000_000, MOST_BYTES)
            await asyncio.sleep(0.1)
            assert running._driver.pages.used > 8_000_000
            await wire.start("others are served meanwhile")
        await until_used(running, 0, 0)
        await running.drain(0.0)
