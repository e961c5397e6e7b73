"""A control plane on the real engine over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from tests.integration.control_plane import stack as stacks

from elbflow import clock as clocks
from elbflow import swf
from elbflow_engine import embedded


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    """Errors by their repr: the console's tracebacks read source files, which blocks the loop."""
    structlog.configure(processors=[structlog.processors.add_log_level, _short, structlog.dev.ConsoleRenderer()])
    yield
    structlog.reset_defaults()


def _short(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if (error := event.pop("exc_info", None)) is not None:
        event["error"] = repr(error)
    return event


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "000000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
async def service() -> AsyncIterator[swf.Client]:
    async with embedded.engine() as url:
        settings = swf.ClientSettings(endpoint_url=url, poll_connections=64)
        async with swf.Client.open(settings) as client:
            yield client


@pytest.fixture
async def stack(tmp_path: Path, service: swf.Client) -> AsyncIterator[stacks.Stack]:
    async with stacks.stack(tmp_path, service, clocks.SystemClock()) as made:
        yield made


@pytest.fixture
async def stopped(tmp_path: Path, service: swf.Client) -> AsyncIterator[stacks.Stack]:
    """Neither decider nor activities run yet."""
    async with stacks.stack(tmp_path, service, clocks.SystemClock(), start=False) as made:
        yield made
