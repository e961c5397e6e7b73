"""A bare asyncio protocol that answers every SWF call at once with what a server would send; prints its URL.

Answers depend on the operation alone and are made beforehand, so that the client is what a benchmark measures.
"""

from __future__ import annotations

import asyncio
from typing import cast

import orjson
import uvloop

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
    b"x-amzn-RequestId: 00000000-0000-4000-8000-000000000000\r\nContent-Length: %d\r\n\r\n"
)
_END = b"\r\n\r\n"
EVENTS = 100
_EXECUTION = {"workflowId": "load-balancer-1", "runId": "2Ta9qH-0000-4000-8000-000000000000"}


def activity_task() -> dict[str, object]:
    """A task of 1 KiB."""
    return {
        "taskToken": "t" * 200,
        "activityId": "17",
        "startedEventId": 7,
        "workflowExecution": _EXECUTION,
        "activityType": {"name": "updateConfiguration", "version": "1.0"},
        "input": "i" * 560,
    }


def decision_task(events: int = EVENTS) -> dict[str, object]:
    """A history of ``events`` events, 29 KiB for a hundred."""
    return {
        "taskToken": "t" * 200,
        "startedEventId": events,
        "previousStartedEventId": 0,
        "workflowExecution": _EXECUTION,
        "workflowType": {"name": "LoadBalancing", "version": "1.0"},
        "events": [_event(number) for number in range(1, events + 1)],
    }


def _event(number: int) -> dict[str, object]:
    kind, attributes = _KINDS[number % len(_KINDS)]
    block = f"{kind[0].lower()}{kind[1:]}EventAttributes"
    return {"eventId": number, "eventTimestamp": 1420142400.123 + number, "eventType": kind, block: attributes}


_TYPE = {"name": "updateConfiguration", "version": "1.0"}
_KINDS: list[tuple[str, dict[str, object]]] = [
    (
        "ActivityTaskScheduled",
        {
            "activityId": "17",
            "activityType": _TYPE,
            "decisionTaskCompletedEventId": 4,
            "heartbeatTimeout": "NONE",
            "input": "i" * 250,
            "scheduleToCloseTimeout": "300",
            "startToCloseTimeout": "60",
            "taskList": {"name": "instance-i-12345678"},
        },
    ),
    ("ActivityTaskStarted", {"identity": "host-1", "scheduledEventId": 5}),
    ("ActivityTaskCompleted", {"result": "r" * 150, "scheduledEventId": 5, "startedEventId": 6}),
    ("DecisionTaskScheduled", {"startToCloseTimeout": "30", "taskList": {"name": "decisions"}}),
    ("DecisionTaskStarted", {"identity": "host-2", "scheduledEventId": 8}),
    ("DecisionTaskCompleted", {"scheduledEventId": 8, "startedEventId": 9}),
]
_BODIES = {
    b"PollForActivityTask": orjson.dumps(activity_task()),
    b"PollForDecisionTask": orjson.dumps(decision_task()),
    b"RespondActivityTaskCompleted": b"",
}
_ANSWERS = {name: _HEAD % len(body) + body for name, body in _BODIES.items()}


class Answers(asyncio.Protocol):
    """Reads each request by its length and looks at nothing but the operation."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._buffer = self._buffer + data if self._buffer else data
        while (end := self._buffer.find(_END)) >= 0:
            head = self._buffer[:end].lower()
            whole = end + len(_END) + int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if len(self._buffer) < whole:
                return
            operation = next(name for name in _ANSWERS if b"service." + name.lower() in head)
            self._buffer = self._buffer[whole:]
            self._transport.write(_ANSWERS[operation])


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", 0, backlog=1024)
    print("http://{}:{}".format(*server.sockets[0].getsockname()), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
