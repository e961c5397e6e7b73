"""The console seen by a plain HTTP client and by Chromium."""

from __future__ import annotations

import asyncio
import base64
import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

T = TypeVar("T")
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Page:
    status: int
    headers: dict[str, str]
    html: str

    @property
    def text(self) -> str:
        """What a reader sees."""
        without = re.sub(r"<(title|style)\b.*?</\1>", " ", self.html, flags=re.S)
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", without)).split())

    def links(self, part: str = "") -> list[str]:
        """Addresses that the page leads to."""
        found = [html.unescape(link) for link in re.findall(r'href="([^"]*)"', self.html)]
        return [link for link in found if part in link]


class Pages:
    """``url`` is the address of the first page."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url
        self.root = url.removesuffix("/console")

    async def get(self, address: str = "/console", method: str = "GET", **headers: str) -> Page:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.request(method, self.root + address, headers=sent) as answer:
            return Page(answer.status, dict(answer.headers), await answer.text())

    async def ok(self, address: str = "/console") -> Page:
        page = await self.get(address)
        assert page.status == 200, page.text
        return page

    def follow(self, address: str, **headers: str) -> aiohttp.client._RequestContextManager:
        """The stream of updates of a page."""
        return self._session.get(self.root + address, headers=headers)


class Browser:
    """Chromium, driven from a thread so that the engine's loop goes on."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self._driver = driver
        self.root = url.removesuffix("/console")

    async def do(self, job: Callable[[webdriver.Chrome], T]) -> T:
        return await asyncio.to_thread(job, self._driver)

    async def reset(self) -> None:
        await self.view()
        await self.scripts(enabled=True)
        await self.complaints()

    async def view(self, width: int = 1280, scheme: str = "light") -> None:
        """The window's width, and whether its user likes it dark."""
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        await self.do(lambda driver: driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media))
        await self.do(lambda driver: driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size))

    async def scripts(self, *, enabled: bool) -> None:
        await self.do(
            lambda driver: driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not enabled})
        )

    async def open(self, address: str = "/console") -> None:
        await self.do(lambda driver: driver.get(self.root + address))

    async def click(self, css: str) -> None:
        def click(driver: webdriver.Chrome) -> bool:
            driver.find_element(By.CSS_SELECTOR, css).click()
            return True

        # An update may replace the element between finding and clicking it.
        ignored = [StaleElementReferenceException]
        await self.do(lambda driver: WebDriverWait(driver, PATIENCE_S, 0.05, ignored).until(click))

    async def text(self, css: str = "body") -> str:
        return await self.do(lambda driver: driver.find_element(By.CSS_SELECTOR, css).text)

    async def elements(self, css: str) -> list[WebElement]:
        return await self.do(lambda driver: driver.find_elements(By.CSS_SELECTOR, css))

    async def ask(self, script: str, *arguments: object) -> Any:
        """What a script returns, whether pages may run scripts or not."""
        return await self.do(lambda driver: driver.execute_script(script, *arguments))

    async def eventually(self, script: str, *arguments: object) -> None:
        """Wait until ``script`` returns something true."""
        await self.do(
            lambda driver: WebDriverWait(driver, PATIENCE_S, 0.05).until(
                lambda driver: driver.execute_script(script, *arguments)
            )
        )

    async def picture(self) -> bytes:
        """A screenshot, PNG."""
        shot = await self.do(lambda driver: driver.execute_cdp_cmd("Page.captureScreenshot", {}))
        return base64.b64decode(shot["data"])

    async def complaints(self) -> list[str]:
        """What Chromium complained about since the last time: script errors, violated policies, failed loads."""
        entries = await self.do(lambda driver: driver.get_log("browser"))
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]
