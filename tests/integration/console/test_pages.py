"""The pages as any HTTP client gets them."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest
from tests.integration.console import browsing, shop
from tests.integration.engine import rig

from elbflow_engine import embedded


async def test_the_first_page_shows_domains_and_health(
    console: browsing.Pages, wire: rig.Wire, order: shop.Order
) -> None:
    await wire.ok("TerminateWorkflowExecution", domain=rig.DOMAIN, workflowId="order-1-child")
    page = await console.ok()
    assert "house" in page.text
    row = re.search(r"<tr>.*?</tr>", page.html.partition("<tbody>")[2], re.S)
    assert row is not None
    cells = [" ".join(re.sub("<[^>]*>", " ", cell).split()) for cell in re.findall(r"<t[hd].*?</t[hd]>", row[0], re.S)]
    assert cells[:7] == ["house", shop.ACCOUNT, "1", "1", "1 + 1", "0", "1"]
    assert "serving" in page.text
    assert "commits" in page.text


async def test_every_page_is_self_contained_and_strict(console: browsing.Pages, order: shop.Order) -> None:
    addresses = ["/console", shop.domain_address("executions"), shop.domain_address("lists"), order.address()]
    for address in [*addresses, "/console/nothing"]:
        page = await console.get(address)
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert page.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<script(?! src=\"/console/static/console.js\" defer>)", page.html)
        assert not re.search(r"<[^>]*\s(style|on\w+)=", page.html)
        assert not re.search(r'(?:src|href|action)="(?:https?:|//)', page.html)
    for name, kind in (("console.css", "text/css"), ("console.js", "text/javascript"), ("icon.svg", "image/svg+xml")):
        static = await console.ok(f"/console/static/{name}")
        assert static.headers["Content-Type"].startswith(kind)
        assert "http://" not in static.html.replace("http://www.w3.org/2000/svg", "")


async def test_executions_are_listed_as_the_api_lists_them(console: browsing.Pages, wire: rig.Wire) -> None:
    for number in range(53):
        await wire.start(f"order-{number:02}", tagList=["even" if number % 2 == 0 else "odd"])
    listed = await wire.ok("ListOpenWorkflowExecutions", domain=rig.DOMAIN, startTimeFilter={"oldestDate": 0})
    expected = [info["execution"]["workflowId"] for info in listed["executionInfos"]]
    first = await console.ok(shop.domain_address("executions"))
    [following] = first.links("token=")
    second = await console.ok(following)
    shown = re.findall(r'<th scope="row"><a[^>]*>([^<]*)<', first.html + second.html)
    assert shown == expected
    assert first.links("token=") != second.links("token=")
    odd = await console.ok(shop.domain_address("executions", tag="odd"))
    assert re.findall(r">order-(\d\d)<", odd.html) == [f"{number:02}" for number in range(51, 0, -2)]


async def test_filters_and_what_the_api_says_about_them(console: browsing.Pages, wire: rig.Wire) -> None:
    await wire.start("one")
    await wire.start("two")
    await wire.ok("TerminateWorkflowExecution", domain=rig.DOMAIN, workflowId="two")

    async def shown(**asked: object) -> list[str]:
        page = await console.ok(shop.domain_address("executions", **asked))
        return re.findall(r'<th scope="row"><a[^>]*>([^<]*)<', page.html)

    assert await shown(workflow="one") == ["one"]
    assert await shown(workflow="two") == []
    assert await shown(type="greet", version="1") == ["one"]
    assert await shown(type="greet", version="2") == []
    assert await shown(**{"from": "2100-01-01T00:00", "to": "2101-01-01T00:00"}) == []
    assert await shown(state="closed", status="TERMINATED") == ["two"]
    assert await shown(state="closed", status="FAILED") == []
    assert await shown(state="closed", by="started", **{"from": "2020-01-01T00:00:00"}) == ["two"]
    refused = await console.get(shop.domain_address("executions", workflow="one", tag="x"))
    assert refused.status == 400
    assert "Cannot specify more than one exclusive filters" in refused.text
    assert 'value="one"' in refused.html


async def test_one_execution(console: browsing.Pages, wire: rig.Wire, order: shop.Order) -> None:
    page = await console.ok(order.address())
    history = await wire.history(order.workflow_id, order.run_id)
    assert re.findall(r'<tr id="event-(\d+)"', page.html) == [str(event["eventId"]) for event in history]
    for event in history:
        assert event["eventType"] in page.text
    assert 'class="span failed"' in page.html
    assert 'class="mark signal"' in page.html
    assert 'class="mark problem"' in page.html
    scheduled = next(event for event in history if event["eventType"] == "ActivityTaskStarted")
    link = scheduled["activityTaskStartedEventAttributes"]["scheduledEventId"]
    row = page.html.partition(f'<tr id="event-{scheduled["eventId"]}"')[2].partition("</tr>")[0]
    assert f'<a href="#event-{link}">{link}</a>' in row
    child = await console.ok(next(link for link in page.links("execution?") if "workflow=order-1-child&" in link))
    assert order.address().replace("&", "&amp;") in child.html  # and back to its parent


async def test_payloads_are_escaped_laid_out_and_folded(console: browsing.Pages, order: shop.Order) -> None:
    page = await console.ok(order.address())
    assert "<script>window" not in page.html
    assert "<img" not in page.html
    assert "\u202e" not in page.html
    assert "\\u202egnp.exe" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert '<pre dir="auto">{\n  &#34;amount&#34;: 12\n}</pre>' in page.html
    folded = re.search(r"<details>.*?</details>", page.html, re.S)
    assert folded is not None
    assert "&#34;items&#34;" in folded[0]


async def test_long_histories_are_paged_from_both_ends(console: browsing.Pages, wire: rig.Wire) -> None:
    run_id = await wire.start("long")
    for number in range(230):
        await wire.ok("SignalWorkflowExecution", domain=rig.DOMAIN, workflowId="long", signalName=f"s{number}")
    order = shop.Order("long", run_id)

    async def walk(address: str, rel: str) -> list[int]:
        ids: list[int] = []
        while True:
            page = await console.ok(address)
            ids += map(int, re.findall(r'<tr id="event-(\d+)"', page.html))
            following = re.search(rf'rel="{rel}" href="([^"]*)"', page.html)
            if following is None:
                return ids
            address = following[1].replace("&amp;", "&")

    assert await walk(order.address(), "next") == list(range(1, 233))
    assert await walk(order.address(order="newest"), "next") == list(range(232, 0, -1))
    last = await console.ok(order.address(first=133, picture="page"))
    assert "Shows the time of the events below." in last.text
    far = re.search(r'class="span open" href="([^"]*)"', last.html)
    assert far is not None
    assert far[1].endswith("#event-1")
    one = await console.ok(order.address("event", event=7))
    assert one.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert '"signalName": "s4"' in one.html
    assert (await console.get(order.address("event", event=9999))).status == 404


async def test_task_lists_show_who_polls_and_what_waits(
    console: browsing.Pages, wire: rig.Wire, session: aiohttp.ClientSession
) -> None:
    await wire.start("waits", taskList={"name": "lonely"})
    polls = [
        asyncio.create_task(
            wire.ok("PollForActivityTask", domain=rig.DOMAIN, taskList={"name": "crew"}, identity=f"host-{number % 2}")
        )
        for number in range(3)
    ]
    async with asyncio.timeout(5):
        while (
            "crew activity 3 0 – host-0 ×2 host-1" not in (page := await console.ok(shop.domain_address("lists"))).text
        ):
            await asyncio.sleep(0.02)
    assert re.search(r"lonely decision 0 1 [\d.]+ m?s nobody polls", page.text)
    filtered = await console.ok(shop.domain_address("lists", name="lone"))
    assert "crew" not in filtered.text
    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)


@pytest.mark.parametrize(
    ("address", "status", "told"),
    [
        ("/console/nothing", 404, "no page with this address"),
        ("/console/executions", 400, "lacks “account”"),
        (shop.domain_address("executions").replace("house", "nowhere"), 404, "Unknown domain: nowhere"),
        (shop.domain_address("lists").replace("house", "nowhere"), 404, "Unknown domain: nowhere"),
        (shop.Order("no", "such").address(), 404, "Unknown execution"),
        (shop.Order("no", "such").address(first="x"), 400, "must be a number"),
        (shop.domain_address("executions", token="forged"), 400, "Invalid token"),
        (shop.domain_address("executions", state="closed", status="GONE"), 400, "none of the close statuses"),
        ("/console/live/nothing", 404, "no page"),
        ("/console/static/../app.py", 404, ""),
    ],
)
async def test_errors_are_pages(console: browsing.Pages, wire: rig.Wire, address: str, status: int, told: str) -> None:
    page = await console.get(address)
    assert (page.status, told in page.text) == (status, True)
    assert "Traceback" not in page.html


async def test_it_shows_and_changes_nothing(console: browsing.Pages, wire: rig.Wire) -> None:
    page = await console.get(method="POST")
    assert page.status == 405
    assert "Read only" in page.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "attacker.example"},
        {"Host": "127.0.0.1.attacker.example:80"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "cors", "Sec_Fetch_Dest": "empty"},
    ],
)
async def test_other_sites_read_nothing(console: browsing.Pages, wire: rig.Wire, headers: dict[str, str]) -> None:
    for address in ("/console", "/console/live/home", "/console/static/console.css"):
        page = await console.get(address, **headers)
        assert page.status == 403
        assert "house" not in page.html


async def test_without_a_console_the_endpoint_says_so(session: aiohttp.ClientSession) -> None:
    async with embedded.engine() as url, session.get(f"{url}/console", allow_redirects=False) as answer:
        assert answer.status == 404
        assert "admin server" in await answer.text()
