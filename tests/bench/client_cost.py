"""What a call costs the caller: our client, its fast path off and on, against boto3, stock aiobotocore and the limit.

python -m tests.bench.client_cost

CPU is user + system time of this process, so it does not depend on the server, a bare protocol on the other core that
answers at once. Clients take turns in every round; figures are medians of the rounds (spec/perf-baselines 1, goals C1
to C3). "Raw" is aiohttp's connector and parser, as our client uses them, with our signatures and orjson; the limit a
bare protocol with the same. Neither of them makes typed values or counts anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
import orjson
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import xform_name
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from prometheus_client import CollectorRegistry
from tests.bench import engine_figures as figures
from tests.bench import engine_http, engine_peers

from elbflow import swf
from elbflow.swf.fast import sending, signing
from elbflow.swf.sockets import keepalive_socket

IN_FLIGHT = 50
KEYS = ReadOnlyCredentials("AKIDEXAMPLE", "secret-of-the-benchmark", None)
POLL, DECISION, RESPOND = "PollForActivityTask", "PollForDecisionTask", "RespondActivityTaskCompleted"
_LIST = {"domain": "d", "taskList": {"name": "l"}, "identity": "me"}
MEMBERS: Mapping[str, dict[str, Any]] = {POLL: _LIST, DECISION: _LIST, RESPOND: {"taskToken": "t", "result": "r"}}
NAMES = {POLL: "poll turn with a task of 1 KiB", DECISION: "decision task of 100 events", RESPOND: "respond"}
BOTO, STOCK, OURS_STOCK, OURS, RAW, LIMIT = (
    "boto3",
    "aiobotocore",
    "ours, fast path off",
    "ours",
    "raw aiohttp",
    "bare protocol",
)

Call = Callable[[str], Awaitable[object]]
Costs = dict[tuple[str, str], list[float]]


@dataclass(frozen=True)
class Sizes:
    rounds: int
    calls: int
    decisions: int


FULL = Sizes(rounds=15, calls=300, decisions=100)
QUICK = Sizes(rounds=1, calls=60, decisions=20)


async def run(quick: bool) -> Sequence[figures.Figure]:
    sizes = QUICK if quick else FULL
    os.environ.update(
        AWS_ACCESS_KEY_ID=KEYS.access_key, AWS_SECRET_ACCESS_KEY=KEYS.secret_key, AWS_EC2_METADATA_DISABLED="true"
    )
    costs: Costs = defaultdict(list)
    with engine_peers.answers() as peer:
        async with contextlib.AsyncExitStack() as stack:
            calls = {name: await stack.enter_async_context(make(peer.url)) for name, make in CLIENTS.items()}
            for number in range(sizes.rounds + 1):
                for operation in MEMBERS:
                    count = sizes.decisions if operation == DECISION else sizes.calls
                    for name, call in calls.items():
                        cost = await measured(call, operation, count)
                        if number:  # the first round warms up
                            costs[operation, name].append(cost)
    return rows(costs)


async def measured(call: Call, operation: str, count: int) -> float:
    """Seconds of CPU per call."""
    left = count

    async def caller() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await call(operation)

    began = time.process_time()
    await asyncio.gather(*(caller() for _ in range(min(IN_FLIGHT, count))))
    return (time.process_time() - began) / count


def rows(costs: Costs) -> Sequence[figures.Figure]:
    """Goals first, then every client's cost."""
    median = {key: figures.median(values) for key, values in costs.items()}

    def goal(text: str, operation: str, name: str, peer: str, most: float) -> figures.Figure:
        ratio = median[operation, name] / median[operation, peer]
        spread = [mine / other for mine, other in zip(costs[operation, name], costs[operation, peer], strict=True)]
        seen = f"{ratio:.2f} × (rounds {min(spread):.2f} to {max(spread):.2f})"
        return figures.Figure(f"{text} against {peer}", f"≤ {most} ×", seen, ratio <= most)

    return [
        goal("C1: CPU of a poll turn", POLL, OURS, STOCK, 0.45),
        goal("C1: the same, without botocore", POLL, RAW, STOCK, 0.25),
        goal("C2: CPU of a decision task of 100 events", DECISION, OURS, STOCK, 0.15),
        goal("C3: CPU of a poll turn without botocore", POLL, RAW, LIMIT, 6.0),
        *(_listed(operation, median) for operation in MEMBERS),
    ]


def _listed(operation: str, median: Mapping[tuple[str, str], float]) -> figures.Figure:
    seen = "; ".join(f"{name} {1e6 * median[operation, name]:.0f} µs" for name in CLIENTS)
    return figures.Figure(f"CPU of a {NAMES[operation]}", "", seen)


@contextlib.asynccontextmanager
async def boto(url: str) -> AsyncIterator[Call]:
    """One thread, ours: a synchronous client needs no loop."""
    config = Config(max_pool_connections=IN_FLIGHT, user_agent="boto3")
    client = boto3.client("swf", region_name="us-east-1", endpoint_url=url, config=config)

    async def call(operation: str) -> object:
        return getattr(client, xform_name(operation))(**MEMBERS[operation])

    yield call
    client.close()


@contextlib.asynccontextmanager
async def stock(url: str) -> AsyncIterator[Call]:
    """aiobotocore as it comes, but for the size of its pool."""
    config = AioConfig(max_pool_connections=IN_FLIGHT)
    async with AioSession().create_client("swf", region_name="us-east-1", endpoint_url=url, config=config) as client:

        async def call(operation: str) -> object:
            answer: object = await getattr(client, xform_name(operation))(**MEMBERS[operation])
            return answer

        yield call


def ours(fast_path: bool) -> Callable[[str], contextlib.AbstractAsyncContextManager[Call]]:
    """The typed client, its counters included."""

    @contextlib.asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Call]:
        settings = swf.ClientSettings(
            endpoint_url=url, poll_connections=IN_FLIGHT, data_connections=IN_FLIGHT, fast_path=fast_path
        )
        lists = {
            POLL: swf.TaskList(swf.TaskKind.ACTIVITY, "d", "l"),
            DECISION: swf.TaskList(swf.TaskKind.DECISION, "d", "l"),
        }
        async with swf.Client.open(settings, registry=CollectorRegistry()) as client:

            async def call(operation: str) -> object:
                if operation == POLL:
                    return await client.poll_for_activity_task(lists[POLL], identity="me")
                if operation == DECISION:
                    return await client.poll_for_decision_task(lists[DECISION], identity="me")
                await client.respond_activity_task_completed("t", "r")
                return None

            yield call

    return opened


@contextlib.asynccontextmanager
async def raw(url: str) -> AsyncIterator[Call]:
    pool = sending.Pool(
        connections=IN_FLIGHT,
        connect_timeout_s=5.0,
        read_timeout_s=70.0,
        keepalive_timeout=60.0,
        ttl_dns_cache=30,
        socket_factory=keepalive_socket,
    )
    async with sending.open_sender(pool, None, f"{url}/") as sender:

        async def call(operation: str) -> object:
            headers, body = signed(f"{url}/", operation)
            reply = await sender.send("POST", headers, body)
            return orjson.loads(reply.content or b"{}")

        yield call


@contextlib.asynccontextmanager
async def limit(url: str) -> AsyncIterator[Call]:
    host, port = url.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    free = [(await loop.create_connection(engine_http.Connection, host, int(port)))[1] for _ in range(IN_FLIGHT)]

    async def call(operation: str) -> object:
        headers, body = signed(f"{url}/", operation)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST / HTTP/1.1\r\nHost: {host}:{port}\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        connection = free.pop()
        answer = await connection.send(head.encode() + body)
        free.append(connection)
        return orjson.loads(answer.body or b"{}")

    yield call
    for connection in free:
        connection.close()


def signed(url: str, operation: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of a request."""
    body = orjson.dumps(MEMBERS[operation])
    given = {
        "X-Amz-Target": f"SimpleWorkflowService.{operation}",
        "Content-Type": "application/x-amz-json-1.0",
        "User-Agent": "elbflow",
    }
    headers = signing.signed(
        "POST", url, given, body, credentials=KEYS, region="us-east-1", service="swf", at_s=time.time()
    )
    return headers, body


CLIENTS: Mapping[str, Callable[[str], contextlib.AbstractAsyncContextManager[Call]]] = {
    BOTO: boto,
    STOCK: stock,
    OURS_STOCK: ours(fast_path=False),
    OURS: ours(fast_path=True),
    RAW: raw,
    LIMIT: limit,
}


if __name__ == "__main__":
    sys.exit(figures.main(__doc__, run))
