"""A full store for the API's benchmarks: load balancers of one account, each as a year of use leaves it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from elbflow import store
from elbflow.contract import document
from elbflow.store import tables

ACCOUNT = "123456789012"
KEY = store.AccessKey("AKIAELBFLOWBENCH0001", "secret-of-the-benchmark", ACCOUNT)
ZONES = ("local-1a", "local-1b")


def name_of(number: int) -> str:
    return f"lb-{number:05d}"


def instance_ids(number: int, count: int) -> list[str]:
    """Ids of a load balancer's instances: addresses, which any API takes without knowing the instance."""
    return [f"10.{number // 250}.{number % 250}.{host}" for host in range(1, count + 1)]


async def make(path: Path, *, load_balancers: int, instances: int) -> str:
    """A new SQLite store at ``path``: HTTP and TCP listener, two zones with a VM each, a policy, tags; its URL."""
    url = f"sqlite+aiosqlite:///{path}"
    await store.migrate(url)
    async with store.Store(url) as db, db.transaction() as tx:
        await tx.access_keys.save(KEY)
    engine = sa.create_engine(f"sqlite:///{path}")
    try:
        with engine.begin() as connection:
            for table, rows in _rows(load_balancers, instances).items():
                connection.execute(sa.insert(table), rows)
    finally:
        engine.dispose()
    return url


def _rows(load_balancers: int, instances: int) -> dict[sa.Table, list[dict[str, Any]]]:
    rows: dict[sa.Table, list[dict[str, Any]]] = {}
    for number in range(1, load_balancers + 1):
        rows.setdefault(tables.load_balancers, []).append(_head(number))
        for table, parts in _parts(number, instances).items():
            rows.setdefault(table, []).extend({"load_balancer_id": number} | part for part in parts)
    return rows


def _head(number: int) -> dict[str, Any]:
    name = name_of(number)
    return {
        "id": number,
        "account": ACCOUNT,
        "name": name,
        "name_lower": name,
        "dns_name": f"{name}-{ACCOUNT}.lb.elbflow.internal",
        "scheme": "internet-facing",
        "state": store.LoadBalancerState.ACTIVE.value,
        "generation": 7,
        "created_at": 1.7e9 + number,
        "attributes": asdict(document.Attributes()),
        "health_check": asdict(document.HealthCheck("HTTP:8000/ping")),
    }


def _parts(number: int, instances: int) -> dict[sa.Table, list[dict[str, Any]]]:
    in_service = store.BackendState.IN_SERVICE.value
    return {
        tables.listeners: [
            {
                "protocol": front,
                "port": port,
                "instance_protocol": front,
                "instance_port": port + 8000,
                "policy_names": names,
            }
            for front, port, names in (("HTTP", 80, ["sticky"]), ("TCP", 25, []))
        ],
        tables.policies: [
            {
                "name": "sticky",
                "type_name": "LBCookieStickinessPolicyType",
                "attributes": [["CookieExpirationPeriod", "600"]],
            }
        ],
        tables.zones: [{"name": zone, "state": store.ZoneState.IN_SERVICE.value} for zone in ZONES],
        tables.backends: [
            {
                "instance_id": instance_id,
                "address": instance_id,
                "zone": None,
                "state": in_service,
                "reason_code": "",
                "description": "",
                "registered_at": 1.7e9,
                "reported_at": 1.7e9,
            }
            for instance_id in instance_ids(number, instances)
        ],
        tables.vms: [
            {
                "instance_id": f"i-vm{number:05d}{zone[-1]}",
                "zone": zone,
                "address": "127.0.1.1",
                "state": store.VmState.IN_SERVICE.value,
                "launched_at": 1.7e9,
                "applied_generation": 7,
                "applied_hash": "0" * 32,
                "problems": [],
            }
            for zone in ZONES
        ],
        tables.tags: [{"key": "team", "value": "blue"}],
    }
