"""Debug pages: to this machine only, in the form the reader wants, addable at any time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest

from elbflow import service
from elbflow.service import debug


async def lanes(query: Mapping[str, str], form: debug.Form) -> str:
    if "colour" in query:
        raise ValueError("lanes have no colour")
    return f"{form} {dict(query)}"


@pytest.fixture
async def url(settings: service.ServiceSettings) -> AsyncIterator[str]:
    async with service.Process(settings, "example") as process:
        url = await process.serve_admin()
        process.add_debug("lanes", lanes)
        yield url + debug.PREFIX


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_a_page_added_late_is_served_and_listed(client: aiohttp.ClientSession, url: str) -> None:
    async with client.get(url) as answer:
        assert await answer.json() == {"pages": ["/debug/lanes"]}
    async with client.get(url + "/lanes?class=vm") as answer:
        assert answer.content_type == "application/json"
        assert await answer.text() == "json {'class': 'vm'}"
    async with client.get(url + "/threads") as answer:
        assert answer.status == 404


async def test_browsers_get_a_page_that_may_load_nothing(client: aiohttp.ClientSession, url: str) -> None:
    async with client.get(url + "/lanes", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}) as answer:
        assert answer.content_type == "text/html"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert (await answer.text()).startswith("html")
    async with client.get(url + "/lanes?format=text") as answer:
        assert (answer.content_type, await answer.text()) == ("text/plain", "text {}")


@pytest.mark.parametrize("query", ["?colour=red", "?format=xml"])
async def test_a_wrong_query_is_refused(client: aiohttp.ClientSession, url: str, query: str) -> None:
    async with client.get(url + "/lanes" + query) as answer:
        assert answer.status == 400
        assert ("colour" in await answer.text()) == ("colour" in query)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "10.0.0.1", ""])
async def test_other_names_are_refused(client: aiohttp.ClientSession, url: str, host: str) -> None:
    for path in ("", "/lanes"):
        async with client.get(url + path, headers={"Host": host}) as answer:
            assert answer.status == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.1.2.3:1", "[::1]:9"])
async def test_names_of_this_machine_are_served(client: aiohttp.ClientSession, url: str, host: str) -> None:
    async with client.get(url + "/lanes", headers={"Host": host}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("asked", "accept", "form"),
    [
        (None, "", "json"),
        (None, "*/*", "json"),
        (None, "text/html", "html"),
        (None, "application/json, text/html", "json"),
        (None, "text/plain;q=0.9", "text"),
        ("text", "text/html", "text"),
    ],
)
def test_forms(asked: str | None, accept: str, form: str) -> None:
    assert debug.form_of(asked, accept) == form
