"""Short calls at a fixed number in flight, and what each of them costs the server in CPU time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench import engine_flows, engine_http, engine_peers

IN_FLIGHT = 16
EXECUTIONS = 64
READ, DURABLE = "DescribeDomain", "SignalWorkflowExecution"


@dataclass
class Costs:
    """Microseconds of CPU per call by round; ``loop`` is the main thread's part."""

    all: list[float] = field(default_factory=list)
    loop: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)


class Callers:
    """``IN_FLIGHT`` connections that send the same requests again and again."""

    def __init__(self, url: str, requests: Sequence[bytes]) -> None:
        self._requests = requests
        self._clients = [engine_http.Client(url) for _ in range(IN_FLIGHT)]

    async def measure(self, peer: engine_peers.Peer, calls: int, costs: Costs) -> None:
        began, cpu, loop_cpu = time.monotonic(), peer.cpu_s(), peer.loop_cpu_s()
        await self.run(calls)
        costs.all.append(1e6 * (peer.cpu_s() - cpu) / calls)
        costs.loop.append(1e6 * (peer.loop_cpu_s() - loop_cpu) / calls)
        costs.rate.append(calls / (time.monotonic() - began))

    async def run(self, calls: int) -> None:
        left = iter(range(calls))
        async with asyncio.TaskGroup() as group:
            for client in self._clients:
                group.create_task(self._lane(client, left))

    async def _lane(self, client: engine_http.Client, left) -> None:
        for number in left:
            answer = await client.send(self._requests[number % len(self._requests)])
            if answer.status != 200:
                raise engine_http.Refused("measured call", answer.status, answer.body)

    def close(self) -> None:
        for client in self._clients:
            client.close()


async def requests_of(url: str) -> dict[str, list[bytes]]:
    """The measured requests by operation, for a prepared engine at ``url``."""
    client = engine_http.Client(url)
    for number in range(EXECUTIONS):
        await engine_flows.start(client, f"signalled-{number}", "nobody")
    signals = [
        client.encode(
            DURABLE,
            {
                "domain": engine_flows.DOMAIN,
                "workflowId": f"signalled-{number}",
                "signalName": "go",
                "input": "x" * 200,
            },
        )
        for number in range(EXECUTIONS)
    ]
    client.close()
    return {
        READ: [client.encode(READ, {"name": engine_flows.DOMAIN})],
        DURABLE: signals,
    }


async def answer_bytes(url: str, request: bytes) -> int:
    """Size of the body that ``request`` is answered with."""
    client = engine_http.Client(url)
    answer = await client.send(request)
    client.close()
    return len(answer.body)
