"""What a service that is none of ours, or somebody between, can make the agent say and hold."""

from __future__ import annotations

import contextlib
import gzip
import random
from collections.abc import AsyncIterator
from xml.sax.saxutils import escape

import prometheus_client
import pytest
from aiohttp import web
from botocore.credentials import ReadOnlyCredentials

from elbflow import clock, service
from elbflow_agent.certificates import calls, dialects, meters, opening

KEYS = ReadOnlyCredentials("AKIA", "secret", None)


@contextlib.asynccontextmanager
async def answering(body: bytes, status: int, **headers: str) -> AsyncIterator[tuple[calls.Calls, str]]:
    """A service with one answer, and the calls of an agent to it."""

    async def serve(request: web.Request) -> web.StreamResponse:
        assert request.headers["Accept-Encoding"] == "identity"
        return web.Response(body=body, status=status, headers=headers)

    app = web.Application()
    app.router.add_post("/", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"{service.url_of(*runner.addresses[0][:2])}/"
        held = meters.Meters(prometheus_client.CollectorRegistry())
        time, rng = clock.SystemClock(), random.Random(1)
        async with opening.exchange(url, "here", time=time, rng=rng, instruments=held) as made:
            yield made.calls, url
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(("status", "kind"), [(403, calls.Refused), (500, calls.Unreachable)])
async def test_a_service_with_much_to_say_is_quoted_in_part(status: int, kind: type[Exception]) -> None:
    """It becomes part of what the VM reports, and SWF refuses reports of more than 32 KiB."""
    body = f"<ErrorResponse><Code>{'c' * 9000}</Code><Message>{escape('<m>' * 100_000)}</Message></ErrorResponse>"
    async with answering(body.encode(), status) as (requests, url):
        with pytest.raises(kind) as caught:
            await requests.post(url, "iam", {"Action": "x"}, KEYS)
    assert len(str(caught.value)) < 1000
    assert "<m><m>" in str(caught.value)


async def test_what_is_huge_only_when_unpacked_is_not_unpacked() -> None:
    packed = gzip.compress(b"<a>" + b" " * 20_000_000 + b"</a>", 1)
    async with answering(packed, 200, **{"Content-Encoding": "gzip"}) as (requests, url):
        assert await requests.post(url, "iam", {"Action": "x"}, KEYS) == packed
    with pytest.raises(dialects.NotXml):
        dialects.fields(packed)


async def test_an_answer_without_an_end_is_not_read_to_it() -> None:
    async with answering(b"<a>" + b"x" * (3 * dialects.LARGEST), 200) as (requests, url):
        answer = await requests.post(url, "iam", {"Action": "x"}, KEYS)
    assert dialects.LARGEST < len(answer) < 3 * dialects.LARGEST
    with pytest.raises(dialects.NotXml, match="more than"):
        dialects.fields(answer)


async def test_nobody_is_followed_elsewhere_with_the_signed_request() -> None:
    async with answering(b"", 307, Location="http://127.0.0.1:1/") as (requests, url):
        with pytest.raises(calls.Refused, match="HTTP 307"):
            await requests.post(url, "iam", {"Action": "x"}, KEYS)
