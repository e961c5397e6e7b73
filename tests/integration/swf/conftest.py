"""A tiny SWF over real HTTP, and a client for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tests.integration.swf.responder import Connect, Responder, serving

from elbflow import swf


@pytest.fixture
async def responder() -> AsyncIterator[Responder]:
    async with serving() as made:
        yield made


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Static credentials, and no files of the machine that runs the tests."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def connect(responder: Responder, registry: CollectorRegistry) -> Connect:
    """Open a client on the responder; keyword arguments go to its settings."""

    def open_client(retries: swf.RetryPlan | None = None, **settings: Any) -> AbstractAsyncContextManager[swf.Client]:
        quick = retries or swf.RetryPlan(attempts=5, base_s=0.005, throttled_base_s=0.005)
        made = swf.ClientSettings(endpoint_url=responder.url, **settings)
        return swf.Client.open(made, registry=registry, retries=quick)

    return open_client
