from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from elbflow import service
from elbflow.service import loopwatch


@pytest.fixture
async def process(settings: service.ServiceSettings) -> AsyncIterator[service.Process]:
    async with service.Process(settings, "example") as process:
        yield process


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def probe(client: aiohttp.ClientSession, url: str) -> tuple[int, dict[str, str]]:
    async with client.get(url) as response:
        body = await response.json()
        assert body["ok"] is (response.status == 200)
        return response.status, body["reasons"]


async def test_ready_only_after_it_was_declared(process: service.Process, client: aiohttp.ClientSession) -> None:
    url = await process.serve_admin() + "/readyz"
    assert await probe(client, url) == (503, {"process": "starting"})
    process.ready()
    assert await probe(client, url) == (200, {})
    process.not_ready("store lost")
    assert await probe(client, url) == (503, {"process": "store lost"})


async def test_every_check_is_asked_and_a_broken_one_is_a_reason(
    process: service.Process, client: aiohttp.ClientSession
) -> None:
    def broken() -> str | None:
        raise RuntimeError("no such table")

    process.ready()
    process.add_readiness("polls", lambda: None)
    process.add_readiness("store", lambda: "unreachable")
    process.add_readiness("cache", broken)
    status, reasons = await probe(client, await process.serve_admin() + "/readyz")
    assert status == 503
    assert reasons["store"] == "unreachable"
    assert "no such table" in reasons["cache"]
    assert "polls" not in reasons


async def test_stopping_turns_readiness_off_for_good(process: service.Process, client: aiohttp.ClientSession) -> None:
    url = await process.serve_admin()
    process.ready()
    process.request_stop("test")
    assert process.stopping.is_set()
    assert not process.aborting.is_set()
    process.ready()
    assert await probe(client, url + "/readyz") == (503, {"process": "draining"})
    assert (await probe(client, url + "/livez"))[0] == 200
    process.request_stop("test")
    assert process.aborting.is_set()


async def test_metrics_hold_ours_and_the_services(process: service.Process, client: aiohttp.ClientSession) -> None:
    url = await process.serve_admin()
    await asyncio.sleep(2 * loopwatch.TICK_S)
    async with client.get(url + "/metrics") as response:
        assert response.content_type == "text/plain"
        families = {family.name: family for family in text_string_to_metric_families(await response.text())}
    (build,) = families["elbflow_build_info"].samples
    assert build.labels["service"] == "example"
    lag = {sample.name: sample.value for sample in families["elbflow_loop_lag_seconds"].samples if not sample.labels}
    assert lag["elbflow_loop_lag_seconds_count"] >= 1
    assert families["process_start_time_seconds"].samples[0].value > 0
    assert len(families["elbflow_gc_pause_seconds"].samples) == 3


async def test_main_may_add_routes_before_serving(process: service.Process, client: aiohttp.ClientSession) -> None:
    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    process.app.router.add_get("/hello", hello)
    url = await process.serve_admin()
    async with client.get(url + "/hello") as response:
        assert await response.text() == "hello"


async def test_the_server_is_gone_after_the_process(
    settings: service.ServiceSettings, client: aiohttp.ClientSession
) -> None:
    async with service.Process(settings, "example") as process:
        url = await process.serve_admin()
    with pytest.raises(aiohttp.ClientConnectorError):
        await client.get(url + "/livez")


async def test_an_address_in_use_is_an_error(process: service.Process, settings: service.ServiceSettings) -> None:
    port = int((await process.serve_admin()).rsplit(":", 1)[1])
    other = service.Process(settings.model_copy(update={"service_port": port}), "other")
    async with other:
        with pytest.raises(OSError, match="address already in use"):
            await other.serve_admin()


async def test_livez_fails_while_the_loop_lags_and_recovers(
    settings: service.ServiceSettings, client: aiohttp.ClientSession
) -> None:
    async with service.Process(settings.model_copy(update={"max_loop_lag_s": 0.5}), "laggard") as process:
        url = await process.serve_admin() + "/livez"
        assert (await probe(client, url))[0] == 200
        time.sleep(loopwatch.TICK_S + 0.7)
        status, reasons = await probe(client, url)
        assert status == 503
        assert reasons["loop"].startswith("event loop lags ")
        async with asyncio.timeout(10):
            while (await probe(client, url))[0] != 200:
                await asyncio.sleep(loopwatch.TICK_S)


async def test_remaining_leaves_out_what_is_done(process: service.Process) -> None:
    process.add_remaining("polls", lambda: 3)
    process.add_remaining("activities", lambda: 0)
    assert process.remaining() == {"polls": 3}
