"""What travels over HTTP, checked without a client library in between (spec/swf-semantics 1.1-1.4)."""

from __future__ import annotations

import asyncio
import email.utils
import gzip
import io
import time

import aiohttp
import pytest
from tests.integration.engine.rig import DOMAIN, LIST, Wire

from elbflow_engine import core, embedded

PROTOCOL_JSON = "application/x-amz-json-1.0"


async def test_both_spellings_of_the_target(wire: Wire) -> None:
    old = "com.amazonaws.swf.service.model.SimpleWorkflowService.ListDomains"
    for target in ("SimpleWorkflowService.ListDomains", old):
        answer = await wire.send("ListDomains", {"registrationStatus": "REGISTERED"}, X_Amz_Target=target)
        assert (answer.status, answer.json) == (200, {"domainInfos": []})


@pytest.mark.parametrize("target", ["SimpleWorkflowService.Nothing", "DynamoDB.ListDomains", "ListDomains", ""])
async def test_other_targets_are_unknown_operations(wire: Wire, target: str) -> None:
    answer = await wire.send("", {}, X_Amz_Target=target)
    assert answer.status == 400
    assert answer.json["__type"] == "com.amazon.coral.service#UnknownOperationException"


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (PROTOCOL_JSON, PROTOCOL_JSON),
        ("application/json", "application/json"),
        ("application/json; charset=UTF-8", "application/json"),
    ],
)
async def test_content_types(wire: Wire, sent: str, received: str) -> None:
    for body in ({"registrationStatus": "REGISTERED"}, {}):
        answer = await wire.send("ListDomains", body, Content_Type=sent)
        assert answer.headers["Content-Type"] == received


async def test_a_void_answer_has_no_bytes(wire: Wire) -> None:
    answer = await wire.send("RegisterDomain", {"name": "d", "workflowExecutionRetentionPeriodInDays": "1"})
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")
    assert answer.headers["Content-Type"] == PROTOCOL_JSON


async def test_every_answer_has_its_own_request_id_and_the_capabilities(wire: Wire) -> None:
    answers = [await wire.send("ListDomains", {"registrationStatus": status}) for status in ("REGISTERED", "x")]
    ids = {answer.headers["x-amzn-RequestId"] for answer in answers}
    assert [answer.status for answer in answers] == [200, 400]
    assert len(ids) == 2
    assert {answer.headers["x-swf-capabilities"] for answer in answers} == {"safe-abort, hold-hint, backlog"}


async def test_every_answer_tells_the_time(wire: Wire) -> None:
    """Clients whose clock is wrong correct it by this header and sign again."""
    for body in ({"registrationStatus": "REGISTERED"}, {}):
        answer = await wire.send("ListDomains", body)
        told = email.utils.parsedate_to_datetime(answer.headers["Date"])
        assert abs(told.timestamp() - time.time()) < 30


async def test_faults_validation_and_generic_errors_have_their_prefixes(wire: Wire) -> None:
    fault = await wire.send("DescribeDomain", {"name": "nowhere"})
    assert fault.json == {
        "__type": "com.amazonaws.swf.base.model#UnknownResourceFault",
        "message": "Unknown domain: nowhere",
    }
    invalid = await wire.send("DescribeDomain", {})
    assert invalid.json == {
        "__type": "com.amazon.coral.validate#ValidationException",
        "message": "1 validation error detected: Value null at 'name' failed to satisfy constraint: "
        "Member must not be null",
    }
    wrong_type = await wire.send("DescribeDomain", {"name": 1})
    assert wrong_type.json["__type"] == "com.amazon.coral.service#SerializationException"
    assert {fault.status, invalid.status, wrong_type.status} == {400}


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b'{"a": NaN}', b"\xff\xfe", b"null"])
async def test_malformed_json(wire: Wire, body: bytes) -> None:
    answer = await wire.send("DescribeDomain", body)
    assert (answer.status, answer.code) == (400, "SerializationException")


async def test_an_empty_body_is_an_empty_object(wire: Wire) -> None:
    answer = await wire.send("ListDomains", b"")
    assert answer.code == "ValidationException"
    assert "registrationStatus" in answer.json["message"]


async def test_null_is_absent(wire: Wire) -> None:
    body = {"registrationStatus": "REGISTERED", "nextPageToken": None, "maximumPageSize": None}
    assert (await wire.send("ListDomains", body)).status == 200


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_above_one_mebibyte_is_refused_and_the_engine_goes_on(wire: Wire, declared: bool) -> None:
    body = b'{"registrationStatus": "REGISTERED"}' + b" " * 1024 * 1024

    async def chunks():
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    headers = {"X-Amz-Target": "SimpleWorkflowService.ListDomains"}
    async with wire._session.post(
        wire.url, data=io.BytesIO(body) if declared else chunks(), headers=headers
    ) as response:
        assert response.status == 413
        assert (await response.json(content_type=None))["__type"] == (
            "com.amazon.coral.service#RequestEntityTooLargeException"
        )
    assert (await wire.send("ListDomains", body[: 1024 * 1024])).status == 200


async def test_content_encodings(wire: Wire) -> None:
    body = b'{"registrationStatus": "REGISTERED"}'
    assert (await wire.send("ListDomains", body, Content_Encoding="amz-1.0")).status == 200
    assert (await wire.send("ListDomains", gzip.compress(body), Content_Encoding="gzip")).status == 200
    for coding, sent in (("br", body), ("gzip", body), ("gzip", gzip.compress(body)[:-9]), ("gzip, gzip", body)):
        answer = await wire.send("ListDomains", sent, Content_Encoding=coding)
        assert (answer.status, answer.code) == (400, "SerializationException")


async def test_a_small_body_that_unpacks_to_gigabytes_is_refused_at_the_limit(wire: Wire) -> None:
    body = b'{"registrationStatus": "REGISTERED"}'
    packed = gzip.compress(body + b" " * (1024 * 1024 - len(body)))
    assert (await wire.send("ListDomains", packed, Content_Encoding="gzip")).status == 200
    for bomb in (gzip.compress(body + b" " * 1024 * 1024), gzip.compress(b" " * 2**26)):
        answer = await wire.send("ListDomains", bomb, Content_Encoding="gzip")
        assert (answer.status, answer.code) == (413, "RequestEntityTooLargeException")


async def test_any_path_and_query_are_served_but_only_by_post(wire: Wire) -> None:
    headers = {"X-Amz-Target": "SimpleWorkflowService.ListDomains"}
    url = f"{wire.url}/services/SimpleWorkflow?x=1"
    async with wire._session.post(url, data=b'{"registrationStatus": "REGISTERED"}', headers=headers) as response:
        assert response.status == 200
    async with wire._session.get(url, headers=headers) as response:
        assert response.status == 400
        assert (await response.json(content_type=None))["__type"].endswith("#UnknownOperationException")


async def test_expect_continue_is_answered(wire: Wire) -> None:
    host, port = wire.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = b'{"registrationStatus": "REGISTERED"}'
    writer.write(
        b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: SimpleWorkflowService.ListDomains\r\n"
        b"Expect: 100-continue\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n"
    )
    async with asyncio.timeout(5):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01 this is no HTTP\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST http://[/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
    ids=["noise", "length", "target"],
)
async def test_broken_requests_are_answered_and_closed(wire: Wire, sent: bytes) -> None:
    host, port = wire.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    async with asyncio.timeout(5):
        assert b" 400 Bad Request" in await reader.readuntil(b"\r\n")
        await reader.read()
    writer.close()
    await writer.wait_closed()
    assert (await wire.send("ListDomains", {"registrationStatus": "REGISTERED"})).status == 200


async def test_one_connection_serves_many_requests(wire: Wire) -> None:
    host, port = wire.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = b'{"registrationStatus": "REGISTERED"}'
    for _ in range(3):
        writer.write(
            b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: SimpleWorkflowService.ListDomains\r\n"
            b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
        )
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK")
            assert b"onnection: close" not in head
            assert await reader.readexactly(len(b'{"domainInfos":[]}')) == b'{"domainInfos":[]}'
    writer.close()
    await writer.wait_closed()


async def test_an_empty_page_token_is_none(wire: Wire) -> None:
    """It went where pages of known tasks go, and made the whole engine reload its journal."""
    await wire.prepare()
    run = await wire.ok(
        "StartWorkflowExecution", domain=DOMAIN, workflowId="w", workflowType={"name": "greet", "version": "1"}
    )
    task = await wire.ok("PollForDecisionTask", domain=DOMAIN, taskList=LIST, nextPageToken="")
    assert task["workflowExecution"]["runId"] == run["runId"]


@pytest.mark.parametrize("instant", [1e308, -1e308, 10**30])
async def test_times_beyond_all_time_are_only_far_away(wire: Wire, instant: float) -> None:
    """They overflowed inside the core, which made the whole engine reload its journal."""
    await wire.prepare()
    await wire.ok(
        "StartWorkflowExecution", domain=DOMAIN, workflowId="w", workflowType={"name": "greet", "version": "1"}
    )
    counted = await wire.ok("CountOpenWorkflowExecutions", domain=DOMAIN, startTimeFilter={"oldestDate": instant})
    assert counted["count"] == (1 if instant < 0 else 0)


async def test_the_request_rate_is_checked_after_the_target_and_before_the_shape(
    session: aiohttp.ClientSession,
) -> None:
    async with embedded.engine(limits=core.Limits(throttle_scale=0.01)) as url:
        wire = Wire(session, url)
        assert (await wire.send("ListDomains", {"registrationStatus": "REGISTERED"})).status == 200
        answer = await wire.send("ListDomains", {"registrationStatus": 1})
        assert answer.json == {"__type": "com.amazon.coral.service#ThrottlingException", "message": "Rate exceeded"}
        assert (await wire.send("ListDomains", b"{")).code == "SerializationException"
        assert (await wire.send("NoSuchOperation", {})).code == "UnknownOperationException"
