"""Turns templates into HTML, in one thread beside the loop.

Every value is escaped; characters that hide or reorder the text around them are shown as escapes (:mod:`.text`).
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import jinja2
import markupsafe

from elbflow_engine.console import asked
from elbflow_engine.console import text as texts

T = TypeVar("T")
_HERE = Path(__file__).parent


class Renderer:
    """Owns the thread; give it work with :meth:`run`, and :meth:`close` it."""

    def __init__(self) -> None:
        self.worker = ThreadPoolExecutor(1, "console")

    def close(self) -> None:
        """Begin nothing more. What runs ends by itself."""
        self.worker.shutdown(wait=False, cancel_futures=True)

    async def page(self, template: str, context: Mapping[str, Any]) -> str:
        """A template filled in."""
        return await self.run(lambda: environment().get_template(template).render(context))

    async def run(self, job: Callable[[], T]) -> T:
        """Do ``job`` in the thread. Cancelled, it is done all the same and its result dropped."""
        return await asyncio.get_running_loop().run_in_executor(self.worker, job)


@functools.cache
def environment() -> jinja2.Environment:
    """The templates; reads files when a page is first rendered."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        auto_reload=False,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["address"] = asked.address
    made.filters |= {
        "instant": texts.instant,
        "duration": texts.duration,
        "age": texts.age,
        "size": texts.size,
        "thousands": lambda value: f"{value:,}",
    }
    return made


@functools.cache
def static(name: str) -> bytes:
    """A file that is served as it is; reads it once."""
    return (_HERE / "static" / name).read_bytes()


def _visible(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, markupsafe.Markup):
        return texts.visible(value)
    return value
