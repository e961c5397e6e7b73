"""The console in Chromium. One browser serves all tests; the engine runs beside it."""

from __future__ import annotations

from urllib.parse import urlencode

from tests.integration.console import browsing, shop
from tests.integration.engine import rig

_BLANK_BYTES = 20_000
"""More than a screenshot of an empty window has."""
_LUMINANCE = """
const rgb = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number);
return rgb[0] + rgb[1] + rgb[2];
"""
_OVERFLOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def test_without_javascript_everything_can_be_reached_and_read(
    browser: browsing.Browser, order: shop.Order
) -> None:
    await browser.scripts(enabled=False)
    await browser.open()
    assert "house" in await browser.text("main")
    await browser.click("#domains th a")
    assert "order-1-child" in await browser.text("#listing")
    await browser.click(f'#listing a[href*="workflow={order.workflow_id}&"]')
    assert await browser.text("h1") == order.workflow_id
    assert "ActivityTaskFailed" in await browser.text("#events")
    payload = "#event-1 details pre"
    assert await browser.text(payload) == ""
    await browser.click("#event-1 summary")
    assert '"name": "Ada"' in await browser.text(payload)
    await browser.click('nav[aria-label="Domain"] a:last-child')
    assert "nobody polls" in await browser.text("main")
    assert await browser.text("#live") == ""


async def test_the_timeline_shows_bars_and_marks_what_failed(browser: browsing.Browser, order: shop.Order) -> None:
    await browser.open(order.address())
    shown = """
    const box = (css) => { const b = document.querySelector(css).getBoundingClientRect(); return [b.width, b.height]; };
    const paint = (css) => getComputedStyle(document.querySelector(css));
    return {
      done: box("#picture .activity .span.completed .run"),
      failed: box("#picture .activity .span.failed .end"),
      blue: paint("#picture .activity .span.completed .run").fill,
      red: paint("#picture .activity .span.failed .run").fill,
      cross: paint("#picture .activity .span.failed .end").stroke,
      plain: document.querySelectorAll("#picture .activity .span.completed .end").length,
      lanes: [...document.querySelectorAll("#picture .lane .label")].map((label) => label.lastChild.textContent),
      marks: ["signal", "cancel", "marker", "problem"].map(
        (kind) => document.querySelectorAll(`#picture .mark.${kind}`).length),
    };
    """
    picture = await browser.ask(shown)
    assert picture["done"][0] >= 2
    assert picture["done"][1] >= 5
    assert min(picture["failed"]) >= 4
    assert picture["red"] != picture["blue"]
    assert picture["cross"] == picture["red"]
    assert picture["plain"] == 0
    assert picture["lanes"] == [
        *("execution", "signals", "cancel requests", "decision tasks", "refused decisions"),
        *("hello 1", "timers", "child greet 1", "markers"),
    ]
    assert picture["marks"] == [1, 1, 1, 1]
    assert len(await browser.picture()) > _BLANK_BYTES


async def test_a_bar_leads_to_its_event(browser: browsing.Browser, order: shop.Order) -> None:
    await browser.open(order.address())
    await browser.click("#picture .activity .span.failed .end")
    target = await browser.ask("return document.querySelector(':target td.kind').textContent")
    assert target == "ActivityTaskScheduled"
    await browser.eventually("return document.querySelector(':target').getBoundingClientRect().top < innerHeight")


async def test_a_started_execution_appears_without_a_reload(browser: browsing.Browser, wire: rig.Wire) -> None:
    await browser.open(shop.domain_address("executions"))
    await browser.ask("window.sameDocument = true")
    assert "No open execution" in await browser.text("#listing")
    await wire.start("out-of-the-blue")
    await browser.eventually("return document.querySelector('#listing').textContent.includes('out-of-the-blue')")
    assert await browser.ask("return window.sameDocument") is True
    assert await browser.text("#live") == "live"


async def test_new_events_and_bars_appear_without_a_reload(
    browser: browsing.Browser, wire: rig.Wire, order: shop.Order
) -> None:
    await browser.open(order.address(order="newest"))
    await browser.eventually("return document.querySelector('#live').textContent === 'live'")
    before = await browser.ask("return document.querySelector('#events tr').dataset.event")
    await wire.ok("SignalWorkflowExecution", domain=rig.DOMAIN, workflowId="order-1", signalName="surprise")
    await browser.eventually("return document.querySelector('#events tr').textContent.includes('surprise')")
    await browser.eventually("return document.querySelector('#picture').textContent.includes('surprise')")
    ids = await browser.ask("return [...document.querySelectorAll('#events tr')].map((row) => +row.dataset.event)")
    assert ids == list(range(int(before) + 1, 0, -1))


async def test_hostile_names_and_payloads_do_nothing(browser: browsing.Browser, wire: rig.Wire) -> None:
    domain = '<img src=x onerror="window.pwned = 1">'
    name = "<script>window.pwned = 1<\\script>\"'&lt;\u202e"
    await wire.ok("RegisterDomain", name=domain, workflowExecutionRetentionPeriodInDays="1")
    await wire.ok("RegisterWorkflowType", domain=domain, name=name, version="1")
    for number, payload in enumerate((shop.HOSTILE, "\u202e\u2066 עברית " * 50, "W" * 32_768, "[" * 32_000)):
        started = await wire.ok(
            "StartWorkflowExecution",
            domain=domain,
            workflowId=f"{number} {name}",
            workflowType={"name": name, "version": "1"},
            input=payload,
            tagList=[shop.HOSTILE[:200], "T" * 256],
            taskList={"name": name},
            childPolicy="TERMINATE",
            executionStartToCloseTimeout="60",
            taskStartToCloseTimeout="60",
        )
        asked = {"account": shop.ACCOUNT, "domain": domain, "workflow": f"{number} {name}", "run": started["runId"]}
        await browser.open(f"/console/execution?{urlencode(asked)}")
        await browser.ask("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        await browser.eventually("return document.querySelector('#live').textContent === 'live'")
        assert await browser.text("h1") == f"{number} {name}".replace("\u202e", "\\u202e")
        assert await browser.ask(_OVERFLOW) <= 0
        shown = await browser.ask("return document.querySelector('#event-1 pre').textContent")
        assert "\u202e" not in shown
        assert len(shown) >= len(payload)
        assert await browser.ask("return [window.pwned === undefined, document.images.length]") == [True, 0]
    for page in ("executions", "lists"):
        await browser.open(f"/console/{page}?{urlencode({'account': shop.ACCOUNT, 'domain': domain})}")
        assert "<script>window.pwned" in await browser.text("main")
        assert await browser.ask("return [window.pwned === undefined, document.images.length]") == [True, 0]
    await browser.open()
    assert domain in await browser.text("#domains")


async def test_dark_and_narrow_windows(browser: browsing.Browser, order: shop.Order) -> None:
    await browser.open(order.address())
    assert await browser.ask(_LUMINANCE) > 600
    await browser.view(width=400, scheme="dark")
    for address in ("/console", shop.domain_address("executions"), shop.domain_address("lists"), order.address()):
        await browser.open(address)
        assert await browser.ask(_LUMINANCE) < 150
        assert await browser.ask(_OVERFLOW) <= 0
    assert await browser.ask("return document.querySelector('#picture svg').getBoundingClientRect().width") > 700


async def test_nothing_is_loaded_from_elsewhere(browser: browsing.Browser, order: shop.Order) -> None:
    await browser.open(order.address())
    await browser.eventually("return document.querySelector('#live').textContent === 'live'")
    loaded = await browser.ask("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert {name.removeprefix(browser.root).partition("?")[0] for name in loaded} >= {
        "/console/static/console.css",
        "/console/static/console.js",
    }
    assert all(name.startswith(browser.root) for name in loaded)
