from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from tests.integration.console import browsing, shop
from tests.integration.engine import rig

from elbflow_engine import embedded

# Root in a container has no sandbox; nothing is fetched from anywhere but this machine.
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as opened:
        yield opened


@pytest.fixture
async def endpoint() -> AsyncIterator[str]:
    async with embedded.engine(hold_s=20, with_console=True) as url:
        yield url


@pytest.fixture
async def wire(session: aiohttp.ClientSession, endpoint: str) -> rig.Wire:
    """A client of an engine whose domain and types are registered."""
    made = rig.Wire(session, endpoint)
    await made.prepare()
    return made


@pytest.fixture
async def console(session: aiohttp.ClientSession, endpoint: str) -> browsing.Pages:
    """The console's pages as an HTTP client sees them; found as a user finds it."""
    async with session.get(f"{endpoint}/console", allow_redirects=False) as answer:
        assert answer.status == 307
        return browsing.Pages(session, answer.headers["Location"])


@pytest.fixture
async def order(wire: rig.Wire) -> shop.Order:
    """An open execution to which everything happened that a picture can show."""
    return await shop.order(wire)


@pytest.fixture(scope="session")
def chromium() -> Iterator[webdriver.Chrome]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("needs Chromium and chromedriver: scripts/setup.sh tests")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    profile = Path(tempfile.mkdtemp(prefix="elbflow-chromium-"))
    for option in (*_OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield running
    finally:
        running.quit()
        shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture
async def browser(chromium: webdriver.Chrome, console: browsing.Pages) -> AsyncIterator[browsing.Browser]:
    """The shared Chromium, as new: light, wide, with JavaScript. What a page complains about fails the test."""
    made = browsing.Browser(chromium, console.url)
    await made.reset()
    yield made
    complaints = await made.complaints()
    await asyncio.to_thread(chromium.get, "about:blank")
    assert not complaints
