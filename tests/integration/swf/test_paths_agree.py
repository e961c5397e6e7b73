"""The fast path and aiobotocore's own give equal results for equal bytes (spec/perf-baselines 1)."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import model as shapes
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from tests.integration.swf import bytes_server
from tests.integration.swf.bytes_server import BytesServer, Wire, http

from elbflow import swf
from elbflow.swf import bodies, classify, fast, parse
from elbflow.swf.sockets import keepalive_socket

MODEL = shapes.ServiceModel(Loader().load_service_model("swf", "service-2"), "swf")
POLL = "PollForActivityTask"
DECIDE = "PollForDecisionTask"
USED: dict[str, dict[str, Any]] = {
    POLL: {"domain": "d", "taskList": {"name": "l"}},
    DECIDE: {"domain": "d", "taskList": {"name": "l"}},
    "RespondActivityTaskCompleted": {"taskToken": "t"},
    "RespondActivityTaskFailed": {"taskToken": "t"},
    "RespondActivityTaskCanceled": {"taskToken": "t"},
    "RespondDecisionTaskCompleted": {"taskToken": "t"},
    "RecordActivityTaskHeartbeat": {"taskToken": "t"},
    "StartWorkflowExecution": {"domain": "d", "workflowId": "w", "workflowType": {"name": "n", "version": "1"}},
    "SignalWorkflowExecution": {"domain": "d", "workflowId": "w", "signalName": "s"},
    "RequestCancelWorkflowExecution": {"domain": "d", "workflowId": "w"},
    "TerminateWorkflowExecution": {"domain": "d", "workflowId": "w"},
    "DescribeWorkflowExecution": {"domain": "d", "execution": {"workflowId": "w", "runId": "r"}},
    "GetWorkflowExecutionHistory": {"domain": "d", "execution": {"workflowId": "w", "runId": "r"}},
    "ListOpenWorkflowExecutions": {"domain": "d", "startTimeFilter": {"oldestDate": 0}},
    "ListClosedWorkflowExecutions": {"domain": "d", "startTimeFilter": {"oldestDate": 0}},
    "CountPendingActivityTasks": {"domain": "d", "taskList": {"name": "l"}},
    "CountPendingDecisionTasks": {"domain": "d", "taskList": {"name": "l"}},
    "RegisterDomain": {"name": "d", "workflowExecutionRetentionPeriodInDays": "1"},
    "RegisterWorkflowType": {"domain": "d", "name": "n", "version": "1"},
    "RegisterActivityType": {"domain": "d", "name": "n", "version": "1"},
    "ListDomains": {"registrationStatus": "REGISTERED"},
}


def full(shape: shapes.Shape) -> Any:
    """A value of ``shape`` with every member that SWF's model knows."""
    if isinstance(shape, shapes.StructureShape):
        return {name: full(member) for name, member in shape.members.items()}
    if isinstance(shape, shapes.ListShape):
        return [full(shape.member), full(shape.member)]
    if isinstance(shape, shapes.MapShape):
        return {"k": full(shape.value)}
    plain = {"string": "ä\n☃", "integer": 7, "long": 2**40, "boolean": True, "timestamp": 1420142400.123}
    return plain[shape.type_name]


def everything(operation: str) -> bytes:
    output = MODEL.operation_model(operation).output_shape
    return b"" if output is None else json.dumps(full(output)).encode()


def coded(code: str, status: int = 400, **headers: str) -> Wire:
    return http(status, json.dumps({"__type": code, "message": "because"}).encode(), headers)


FAULTS = [shape.metadata.get("error", {}).get("code", shape.name) for shape in MODEL.error_shapes]
CODES = [
    *FAULTS,
    *(f"com.amazonaws.swf.base.model#{code}" for code in FAULTS[:2]),
    "UnknownResourceFault:http://internal/",
    "AccessDeniedException",
    "ThrottlingException",
    "ExpiredTokenException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "ValidationException",
    "SerializationException",
    "com.amazon.coral.service#UnknownOperationException",
    "NobodyKnowsThis",
]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS: dict[str, Wire] = {
    **{f"fault {code}": coded(code) for code in CODES},
    "fault with 500": coded("InternalFailure", 500),
    "fault with 503": coded("ServiceUnavailable", 503),
    "fault with 300": coded("UnknownResourceFault", 300),
    "fault of the query protocol": coded("X", 400, **{"x-amzn-query-error": "UnknownResourceFault;Sender"}),
    "capital message": http(400, b'{"__type": "ValidationException", "Message": "m"}'),
    "no message": http(400, b'{"__type": "ValidationException"}'),
    "no code": http(400, b'{"message": "m"}'),
    "code is null": http(400, b'{"__type": null}'),
    "code is a number": http(400, b'{"__type": 5}'),
    "modelled members of a fault": http(400, b'{"__type": "LimitExceededFault", "message": "m", "other": 1}'),
    "empty 400": http(400),
    "empty 403": http(403),
    "empty 503": http(503),
    "empty 304": http(304),
    "page with 502": http(502, b"<html>busy</html>"),
    "page with 400": http(400, b"<html>odd</html>"),
    "text with 429": http(429, b"slow down"),
    "list with 400": http(400, b"[1]"),
    "no utf-8 with 400": http(400, b'{"message": "\xff"}'),
    "page with 200": http(200, b"<html>captive portal</html>"),
    "half an object": http(200, b'{"taskToken": "t", "eve'),
    "null": http(200, b"null"),
    "list": http(200, b"[]"),
    "number": http(200, b"5"),
    "no utf-8": http(200, b'{"taskToken": "\xff"}'),
    "half a surrogate": http(200, rb'{"taskToken": "\ud800"}'),
    "not a number": http(200, b'{"taskToken": "t", "startedEventId": NaN}'),
    "twice the same": http(200, b'{"taskToken": "a", "taskToken": "b"}'),
    "empty": http(200),
    "empty poll": http(200, b'{"startedEventId": 0}'),
    "null token": http(200, b'{"taskToken": null, "startedEventId": 0}'),
    "null inside": http(200, b'{"taskToken": "null", "activityType": {"name": null, "version": "1"}, "input": null}'),
    "empty token": http(200, b'{"taskToken": "", "startedEventId": 0}'),
    "spaces around": http(200, b' {"taskToken": "t"}\r\n'),
    "201": http(201, b'{"taskToken": "t"}'),
    "204": http(204, headers={"Content-Length": "0"}),
    "hints": http(200, b"{}", {"X-Swf-Backlog": "3;age=5", "X-Swf-Scale": "+1"}),
    "chunked": Wire(CHUNKED + b'2\r\n{"\r\n9\r\ninput":"1\r\n1\r\n"\r\n1\r\n}\r\n0\r\n\r\n'),
    "until the end": Wire(b'HTTP/1.1 200 OK\r\n\r\n{"taskToken": "t"}', "close"),
    "body too short": http(200, b'{"taskToken": "t"}', length=100),
    "chunk too short": Wire(CHUNKED + b'ff\r\n{"', "close"),
    "broken chunk": Wire(CHUNKED + b"xyz\r\n", "close"),
    "closed at once": Wire(b"", "close"),
    "closed in the head": Wire(b"HTTP/1.1 200 OK\r\nContent-", "close"),
    "closed after the head": Wire(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "close"),
    "reset at once": Wire(b"", "reset"),
    "reset in the body": Wire(b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"', "reset"),
    "no http": Wire(b"SSH-2.0-OpenSSH\r\n\r\n", "close"),
    "bad status": Wire(b"HTTP/1.1 abc Odd\r\n\r\n", "close"),
    "bad header": Wire(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "close"),
    "header is no utf-8": Wire(b"HTTP/1.1 200 OK\r\nX: \xff\r\nContent-Length: 2\r\n\r\n{}"),
    "moved": Wire(b"HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n"),
    "another protocol": Wire(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
    "header too long": Wire(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", "close"),
    "no answer": Wire(b"", "hang"),
    "half an answer": Wire(b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"', "hang"),
}


Call = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


@dataclass
class Paths:
    """The same client twice, and the server that both call."""

    server: BytesServer
    stock: Call
    fast: Call

    async def outcomes(self, operation: str) -> list[Any]:
        return [await outcome(call, operation) for call in (self.stock, self.fast)]


@pytest.fixture
async def paths() -> AsyncIterator[Paths]:
    async with bytes_server.serving() as server, AsyncExitStack() as stack:
        yield await two_clients(server, stack)


async def two_clients(server: BytesServer, stack: AsyncExitStack) -> Paths:
    session = AioSession()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=float)
    config = AioConfig(read_timeout=0.2, connect_timeout=2.0, retries={"total_max_attempts": 1, "mode": "standard"})
    client = await stack.enter_async_context(
        session.create_client("swf", region_name="us-east-1", endpoint_url=server.url, config=config)
    )
    client.meta.events.register("before-parse.swf", bodies.before_parse)

    async def stock(operation: str, members: Mapping[str, Any]) -> Mapping[str, Any]:
        return await getattr(client, xform_name(operation))(**members)

    pool = fast.Pool(
        connections=10,
        connect_timeout_s=2.0,
        read_timeout_s=0.2,
        keepalive_timeout=10.0,
        ttl_dns_cache=10,
        socket_factory=keepalive_socket,
    )
    bundle: str | None = session.get_config_variable("ca_bundle")
    keys = await session.get_credentials()
    calls = fast.accelerated([fast.Way(client, pool)], keys, bundle, lambda: 1420142400.0)
    (ours,) = await stack.enter_async_context(calls)
    return Paths(server, stock, ours)


async def outcome(call: Call, operation: str) -> Any:
    """What a caller of ``call`` gets, or what it sees of a failure and what becomes of that in the typed client."""
    try:
        answer = await call(operation, USED[operation])
    except Exception as error:
        fault = classify.fault(error, operation)
        cause = error.kwargs.get("error") if hasattr(error, "kwargs") else None
        return (
            type(error).__name__,
            type(cause),
            without_limits(error.response) if isinstance(error, ClientError) else str(error),
            None if fault is None else (type(fault), fault.code, str(fault)),
        )
    return without_limits(answer)


def without_limits(response: Mapping[str, Any]) -> dict[str, Any]:
    """botocore says in every answer that it may not repeat the call; the fast path has nothing to say there."""
    metadata = {name: value for name, value in response["ResponseMetadata"].items() if name != "MaxAttemptsReached"}
    return {**response, "ResponseMetadata": metadata}


async def test_every_member_of_every_answer(paths: Paths) -> None:
    for operation in USED:
        paths.server.answer = http(200, everything(operation))
        stock, ours = await paths.outcomes(operation)
        assert ours == stock, operation
        assert stock["ResponseMetadata"]["RequestId"] == "id-1"


async def test_every_member_of_every_request(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    server = paths.server
    server.answer = http(200, b"{}")
    for operation in MODEL.operation_names:
        monkeypatch.setitem(USED, operation, full(MODEL.operation_model(operation).input_shape))
        server.heads.clear()
        server.bodies.clear()
        await paths.outcomes(operation)
        assert json.loads(server.bodies[1]) == json.loads(server.bodies[0]), operation
        assert len(server.bodies[0]) > 2
        stock, ours = map(signed_alike, server.heads)
        assert ours == stock, operation
        assert f"content-length: {len(server.bodies[1])}\r\n".encode() in server.heads[1].lower()
        assert f"x-amz-target: SimpleWorkflowService.{operation}" in ours


def signed_alike(head: bytes) -> list[str]:
    """The first line and those headers of a request that depend on the call alone."""
    first, *headers = head.decode().strip().split("\r\n")
    lines = [f"{name.lower()}:{value}" for name, _, value in (line.partition(":") for line in headers)]
    return [first, *sorted(line for line in lines if line.startswith(("content-type:", "host:", "x-amz-target:")))]


async def test_odd_broken_and_refusing_answers(paths: Paths) -> None:
    for name, answer in ANSWERS.items():
        paths.server.answer = answer
        stock, ours = await paths.outcomes(POLL)
        assert ours == stock, name


async def test_other_operations_fail_alike(paths: Paths) -> None:
    for name in ("fault UnknownResourceFault", "empty", "page with 200", "closed at once"):
        paths.server.answer = ANSWERS[name]
        for operation in ("RespondActivityTaskCompleted", DECIDE, "StartWorkflowExecution"):
            stock, ours = await paths.outcomes(operation)
            assert ours == stock, (operation, name)


async def test_a_closed_port(paths: Paths) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        paths.server.url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with AsyncExitStack() as stack:
            stock, ours = await (await two_clients(paths.server, stack)).outcomes(POLL)
    assert ours == stock
    assert ours[0] == "EndpointConnectionError"


async def test_invalid_arguments_are_refused_before_anything_is_sent(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(USED, POLL, {"domain": "", "taskList": {}})
    stock, ours = await paths.outcomes(POLL)
    assert ours == stock
    assert ours[0] == "ParamValidationError"
    assert not paths.server.heads


async def test_members_that_nobody_knows_change_no_typed_result(paths: Paths) -> None:
    event = {"eventId": 1, "eventType": "TimerFired", "eventTimestamp": 5, "new": {"a": 1}}
    block = {"timerFiredEventAttributes": {"timerId": "1", "startedEventId": 2}}
    task = {
        "taskToken": "t",
        "startedEventId": 3,
        "workflowExecution": {"workflowId": "w", "runId": "r", "new": 1},
        "workflowType": {"name": "n", "version": "1"},
        "events": [event | block],
        "new": [],
    }
    paths.server.answer = http(200, json.dumps(task).encode())
    stock, ours = await paths.outcomes(DECIDE)
    typed = parse.decision_task(ours)
    assert typed is not None
    assert typed == parse.decision_task(stock)
    assert typed.events == (swf.HistoryEvent(1, "TimerFired", 5.0, {"timerId": "1", "startedEventId": 2}),)


async def test_compressed_answers_are_understood(paths: Paths) -> None:
    whole = gzip.compress(b'{"taskToken": "t", "startedEventId": 1}')
    paths.server.answer = http(200, whole, {"Content-Encoding": "gzip"})
    assert (await paths.fast(POLL, USED[POLL]))["taskToken"] == "t"
    paths.server.answer = http(200, whole[:12] + b"no such block" + whole[12:], {"Content-Encoding": "gzip"})
    assert (await outcome(paths.fast, POLL))[3][0] is swf.Ambiguous
