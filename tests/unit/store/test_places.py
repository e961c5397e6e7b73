"""Where load balancers are, their tags, and pages over accounts; and stores that earlier builds made."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from tests.unit.store.conftest import ACCOUNT, Maker

from elbflow import store
from elbflow.contract import document
from elbflow.store import schema

ACTIVE = store.LoadBalancerState.ACTIVE
IN, OUT = store.ZoneState.IN_SERVICE, store.ZoneState.OUT_OF_SERVICE
GROUPS = (document.SecurityGroup("sg-2", "db"), document.SecurityGroup("sg-1", "web"))


async def test_a_place_in_a_vpc_is_kept(db: store.Store, make: Maker) -> None:
    zones = (store.Zone("b", IN, "subnet-b"), store.Zone("a", OUT, "subnet-a"), store.Zone("c", IN))
    wanted = make(zones=zones, vpc_id="vpc-1", security_groups=GROUPS)
    async with db.transaction() as tx:
        made = await tx.load_balancers.create(wanted)
    assert (made.zones, made.vpc_id, made.security_groups) == (zones, "vpc-1", GROUPS)
    assert made.subnets == ("subnet-b",)
    async with db.transaction() as tx:
        await tx.load_balancers.set_subnets(made.id, {"c": "subnet-c", "d": "subnet-d"})
        await tx.load_balancers.set_zones(made.id, ["d"], IN)
        await tx.load_balancers.set_security_groups(made.id, GROUPS[1:])
        found = await tx.load_balancers.get(made.key)
    assert found.subnets == ("subnet-b", "subnet-c", "subnet-d")
    assert found.security_groups == GROUPS[1:]


async def test_tags_are_put_and_removed(db: store.Store, make: Maker) -> None:
    async with db.transaction() as tx:
        made = await tx.load_balancers.create(make(tags=(("a", "1"), ("b", "2"))))
        await tx.load_balancers.put_tags(made.id, [("b", "3"), ("c", "")])
        await tx.load_balancers.remove_tags(made.id, ["a", "none"])
        assert dict((await tx.load_balancers.get(made.key)).tags) == {"b": "3", "c": ""}


async def test_pages_over_all_accounts_miss_and_repeat_nothing(db: store.Store, make: Maker) -> None:
    others = [f"00000000000{n}" for n in range(3)]
    async with db.transaction() as tx:
        for account in (ACCOUNT, *others):
            for name in ("web", "Api"):
                await tx.load_balancers.create(make(name, account))
        assert await tx.load_balancers.count_for_creation(ACCOUNT) == 2
        assert await tx.load_balancers.count_for_creation("999999999999") == 0
    seen: list[document.LoadBalancerKey] = []
    name, account = "", ""
    async with db.reading() as tx:
        while page := await tx.load_balancers.page(None, state=ACTIVE, after=name, after_account=account, limit=3):
            seen += [lb.key for lb in page]
            name, account = page[-1].key.name, page[-1].key.account
        named = await tx.load_balancers.page(None, names=["WEB"], state=ACTIVE)
        assert [lb.key.name for lb in await tx.load_balancers.page(ACCOUNT, state=ACTIVE)] == ["Api", "web"]
    assert [key.name for key in seen] == ["Api"] * 4 + ["web"] * 4
    assert [key.account for key in seen] == sorted([*others, ACCOUNT]) * 2
    assert [lb.key for lb in named] == seen[4:]


def test_a_load_balancer_of_the_first_schema_is_a_classic_one(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "INSERT INTO load_balancers VALUES "
            f"(1, '{ACCOUNT}', 'web', 'web', 'web.lb', 'internet-facing', 'active', 3, 1.0, "
            """'{"idle_timeout_s": 90}', NULL)"""
        )
        connection.execute("INSERT INTO zones VALUES (1, 1, 'a', 'InService')")
        connection.commit()
    found = asyncio.run(_upgraded(f"sqlite+aiosqlite:///{path}"))
    assert (found.vpc_id, found.security_groups, found.subnets) == (None, (), ())
    assert found.enabled_zones == ("a",)
    assert found.attributes == document.Attributes(idle_timeout_s=90)


async def _upgraded(url: str) -> store.LoadBalancer:
    await store.migrate(url)
    async with store.Store(url) as db, db.reading() as tx:
        return await tx.load_balancers.get(document.LoadBalancerKey(ACCOUNT, "web"))
