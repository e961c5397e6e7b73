"""Every Python block of docs/flow.md runs, in order, in one namespace; its first program against a real engine."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import linecache
import re
import sys
import threading
import types
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from elbflow import flow
from elbflow_engine import embedded

PAGE = Path(__file__).parents[3] / "docs" / "flow.md"
NAME = "docs/flow.md"
TOP_LEVEL_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def snippets() -> list[tuple[int, str, str]]:
    """The page's Python blocks: line of the first statement, text, and what it prints, if a text block follows."""
    page = PAGE.read_text()
    found = re.finditer(r"^```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", page, re.MULTILINE | re.DOTALL)
    return [(page.count("\n", 0, block.start(1)) + 1, block[1], block[2] or "") for block in found]


@pytest.fixture
def endpoint() -> Iterator[str]:
    """An engine in a thread of its own, for the page's program runs a loop itself."""
    urls: list[str] = []
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with embedded.engine(hold_s=2.0) as url:
            urls.append(url)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="engine")
    thread.start()
    try:
        assert ready.wait(10)
        yield urls[0]
    finally:
        over.set()
        thread.join(10)


def test_every_snippet_runs(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWF_ENDPOINT", endpoint)
    monkeypatch.setenv("SWF_KIND", "local")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "words")
    # Tracebacks and differences show the page's own lines.
    linecache.cache[NAME] = (PAGE.stat().st_size, None, PAGE.read_text().splitlines(keepends=True), NAME)
    module = types.ModuleType("flow_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    blocks = snippets()
    for line, text, printed in blocks:
        out = io.StringIO()
        with structlog.testing.capture_logs(), contextlib.redirect_stdout(out):
            run(line, text, vars(module))
        assert unnumbered(out.getvalue()) == unnumbered(printed), f"{NAME}:{line}"
    assert len(blocks) > 20


def unnumbered(text: str) -> str:
    """Without line numbers of the page, which move whenever it is edited."""
    return re.sub(rf"(?<={re.escape(NAME)}):\d+", "", text)


def run(line: int, text: str, namespace: dict[str, Any]) -> None:
    code = compile("\n" * (line - 1) + text, NAME, "exec", flags=TOP_LEVEL_AWAIT, dont_inherit=True)
    if not code.co_flags & inspect.CO_COROUTINE:
        exec(code, namespace)
        return
    coroutine: Coroutine[Any, Any, None] = eval(code, namespace)
    asyncio.run(coroutine)


def test_the_walk_through_the_core_names_every_module() -> None:
    walk = PAGE.read_text().partition("## The code, in reading order")[2]
    code = PAGE.parents[1] / "shared" / "src" / "elbflow" / "flow"
    named = set(re.findall(r"`(\w+\.py)`", walk))
    core = {path.name for path in (code / "core").glob("*.py")} - {"__init__.py"}
    assert core - named == set()
    assert named - core - {path.name for path in code.glob("*.py")} == set()


def test_the_page_names_what_there_is() -> None:
    named = set(re.findall(r"\bflow\.(\w+)", re.sub(r"elbflow\.flow\.\w+|elbflow\.flow", "", PAGE.read_text())))
    files = {"md", "testing"}
    assert sorted(name for name in named - files if not hasattr(flow, name)) == []
