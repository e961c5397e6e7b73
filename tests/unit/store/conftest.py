"""A migrated SQLite store in a file of its own, and load balancers to put into it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

from elbflow import store
from elbflow.contract import document

ACCOUNT = "123456789012"

Maker: TypeAlias = Callable[..., store.LoadBalancer]


@pytest.fixture
async def url(tmp_path: Path) -> str:
    made = f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite'}"
    await store.migrate(made)
    return made


@pytest.fixture
async def db(url: str) -> AsyncIterator[store.Store]:
    async with store.Store(url) as opened:
        yield opened


@pytest.fixture
def make() -> Maker:
    def made(name: str = "web", account: str = ACCOUNT, **changes: object) -> store.LoadBalancer:
        plain = store.LoadBalancer(
            id=0,
            key=document.LoadBalancerKey(account, name),
            dns_name=f"{name}-{account}.lb.test",
            scheme="internet-facing",
            state=store.LoadBalancerState.ACTIVE,
            generation=1,
            created_at=1_700_000_000.125,
            listeners=(document.Listener(document.Protocol.HTTP, 80, document.Protocol.HTTP, 8000),),
            zones=(store.Zone("local-1a", store.ZoneState.IN_SERVICE),),
            tags=(("team", "blue"),),
        )
        return replace(plain, **changes)  # type: ignore[arg-type]

    return made


@pytest.fixture
def backend() -> Callable[..., store.Backend]:
    def made(instance_id: str, **changes: object) -> store.Backend:
        plain = store.Backend(
            instance_id, "10.0.0.1", "local-1a", store.BackendState.OUT_OF_SERVICE, "ELB", "Registering.", 100.0
        )
        return replace(plain, **changes)  # type: ignore[arg-type]

    return made


@pytest.fixture
def vm() -> Callable[..., store.Vm]:
    def made(instance_id: str, **changes: object) -> store.Vm:
        plain = store.Vm(instance_id, "local-1a", "127.0.1.1", store.VmState.IN_SERVICE, 100.0)
        return replace(plain, **changes)  # type: ignore[arg-type]

    return made
