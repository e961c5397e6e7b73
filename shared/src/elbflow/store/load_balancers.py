"""Load balancers as aggregates: a constant number of queries, however many are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from elbflow import errors
from elbflow.contract import document
from elbflow.store import model, rows, tables
from elbflow.store.connections import Connection

_T = tables.load_balancers

# Built once: SQLAlchemy takes longer to build a statement than SQLite to carry it out.
_NAMED = sa.select(_T).where(_T.c.account == sa.bindparam("account"), _T.c.name_lower == sa.bindparam("name"))
_NAMED_FOR_UPDATE = _NAMED.with_for_update()


def _parts_of(table: sa.Table) -> sa.Select[Any]:
    """The rows of ``table`` that belong to the load balancers ``ids``, in the order in which they are shown."""
    order = table.c.port if "port" in table.c else table.primary_key.columns[0]
    return sa.select(table).where(table.c.load_balancer_id.in_(sa.bindparam("ids", expanding=True))).order_by(order)


_PARTS = tuple(
    (table.name, _parts_of(table))
    for table in (tables.listeners, tables.policies, tables.zones, tables.backends, tables.vms, tables.tags)
)


class LoadBalancerMissing(errors.Permanent):
    """There is no such load balancer."""

    def __init__(self, key: document.LoadBalancerKey) -> None:
        super().__init__(f"There is no load balancer {key.name} in account {key.account}")
        self.key = key


class LoadBalancerExists(errors.Permanent):
    """The account has a load balancer of this name."""

    def __init__(self, key: document.LoadBalancerKey) -> None:
        super().__init__(f"There already is a load balancer {key.name} in account {key.account}")
        self.key = key


class LoadBalancers:
    """Repository of load balancers, their listeners, policies, zones and tags."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- reading ---------------------------------------------------------------------------------------

    async def find(self, key: document.LoadBalancerKey, *, for_update: bool = False) -> model.LoadBalancer | None:
        """The load balancer, its name compared without regard to case.

        ``for_update`` keeps other writers of the same load balancer waiting until this transaction ends.
        """
        named = {"account": key.account, "name": key.name.lower()}
        found = await self._connection.run_sync(_read, _NAMED_FOR_UPDATE if for_update else _NAMED, named)
        return found[0] if found else None

    async def get(self, key: document.LoadBalancerKey, *, for_update: bool = False) -> model.LoadBalancer:
        """Like :meth:`find`; raises :class:`LoadBalancerMissing`."""
        found = await self.find(key, for_update=for_update)
        if found is None:
            raise LoadBalancerMissing(key)
        return found

    async def of_account(self, account: str) -> Sequence[model.LoadBalancer]:
        """All load balancers of an account by name."""
        return await self._select(_T.c.account == account)

    async def all(self) -> Sequence[model.LoadBalancer]:
        return await self._select(sa.true())

    async def page(
        self,
        account: str,
        *,
        names: Iterable[str] | None = None,
        state: model.LoadBalancerState,
        after: str = "",
        limit: int,
    ) -> Sequence[model.LoadBalancer]:
        """At most ``limit`` load balancers of an account in ``state``, by name, from the first one behind ``after``.

        ``names`` restricts the answer to these; like ``after`` it is compared without regard to case.
        """
        condition = sa.and_(_T.c.account == account, _T.c.state == state.value, _T.c.name_lower > after.lower())
        if names is not None:
            condition = sa.and_(condition, _T.c.name_lower.in_([name.lower() for name in names]))
        return await self._select(condition, limit=limit)

    async def batch(self, after_id: int, *, limit: int) -> Sequence[model.LoadBalancer]:
        """At most ``limit`` load balancers of all accounts whose ids follow ``after_id``, by id; begin with 0."""
        chosen = sa.select(_T.c.id).where(_T.c.id > after_id).order_by(_T.c.id).limit(limit)
        return sorted(await self._select(_T.c.id.in_(chosen)), key=lambda lb: lb.id)

    async def _select(
        self, condition: sa.ColumnElement[bool], *, limit: int | None = None, for_update: bool = False
    ) -> list[model.LoadBalancer]:
        chosen = sa.select(_T).where(condition).order_by(_T.c.name_lower).limit(limit)
        return await self._connection.run_sync(_read, chosen.with_for_update() if for_update else chosen)

    # --- writing ---------------------------------------------------------------------------------------

    async def create(self, lb: model.LoadBalancer) -> model.LoadBalancer:
        """Insert the aggregate's own rows (not its backends and VMs) and return it with its id.

        Raises :class:`LoadBalancerExists`; the transaction must then be given up.
        """
        lb_id = await self._insert_head(lb)
        await self.add_listeners(lb_id, lb.listeners)
        for policy in lb.policies:
            await self.add_policy(lb_id, policy)
        for zone in lb.zones:
            await self.set_zones(lb_id, [zone.name], zone.state)
        await self._insert(tables.tags, [{"load_balancer_id": lb_id, "key": k, "value": v} for k, v in lb.tags])
        return await self.get(lb.key)

    async def _insert_head(self, lb: model.LoadBalancer) -> int:
        values = sa.insert(_T).values(
            account=lb.key.account,
            name=lb.key.name,
            name_lower=lb.key.name.lower(),
            dns_name=lb.dns_name,
            scheme=lb.scheme,
            state=lb.state.value,
            generation=lb.generation,
            created_at=lb.created_at,
            attributes=asdict(lb.attributes),
            health_check=asdict(lb.health_check) if lb.health_check else None,
        )
        try:
            result = await self._connection.execute(values)
        except sa.exc.IntegrityError as error:
            raise LoadBalancerExists(lb.key) from error
        identity = result.inserted_primary_key
        assert identity is not None
        return int(identity[0])

    async def delete(self, lb_id: int) -> None:
        """Delete the load balancer with everything that belongs to it."""
        await self._connection.execute(sa.delete(_T).where(_T.c.id == lb_id))

    async def bump_generation(self, lb_id: int) -> int:
        """Begin a new desired state; call it in the transaction that stores the change."""
        result = await self._connection.execute(
            sa.update(_T).where(_T.c.id == lb_id).values(generation=_T.c.generation + 1).returning(_T.c.generation)
        )
        return int(result.scalar_one())

    async def set_state(self, lb_id: int, state: model.LoadBalancerState) -> None:
        await self._update(lb_id, state=state.value)

    async def set_attributes(self, lb_id: int, attributes: document.Attributes) -> None:
        await self._update(lb_id, attributes=asdict(attributes))

    async def set_health_check(self, lb_id: int, health_check: document.HealthCheck) -> None:
        await self._update(lb_id, health_check=asdict(health_check))

    async def add_listeners(self, lb_id: int, listeners: Iterable[document.Listener]) -> None:
        await self._insert(tables.listeners, [rows.listener_values(lb_id, one) for one in listeners])

    async def delete_listeners(self, lb_id: int, ports: Iterable[int]) -> None:
        table = tables.listeners
        await self._connection.execute(
            sa.delete(table).where(table.c.load_balancer_id == lb_id, table.c.port.in_(list(ports)))
        )

    async def set_listener_policies(self, lb_id: int, port: int, names: Iterable[str]) -> None:
        table = tables.listeners
        await self._connection.execute(
            sa.update(table)
            .where(table.c.load_balancer_id == lb_id, table.c.port == port)
            .values(policy_names=list(names))
        )

    async def add_policy(self, lb_id: int, policy: document.Policy) -> None:
        await self._insert(
            tables.policies,
            [
                {
                    "load_balancer_id": lb_id,
                    "name": policy.name,
                    "type_name": policy.type_name,
                    "attributes": [list(pair) for pair in policy.attributes],
                }
            ],
        )

    async def set_zones(self, lb_id: int, names: Iterable[str], state: model.ZoneState) -> None:
        """Insert or update the zones' rows."""
        table = tables.zones
        for name in names:
            updated = await self._connection.execute(
                sa.update(table)
                .where(table.c.load_balancer_id == lb_id, table.c.name == name)
                .values(state=state.value)
            )
            if updated.rowcount == 0:
                await self._insert(table, [{"load_balancer_id": lb_id, "name": name, "state": state.value}])

    async def _update(self, lb_id: int, **values: object) -> None:
        await self._connection.execute(sa.update(_T).where(_T.c.id == lb_id).values(**values))

    async def _insert(self, table: sa.Table, values: list[dict[str, object]]) -> None:
        if values:
            await self._connection.execute(sa.insert(table), values)


def _read(
    connection: sa.Connection, heads: sa.Select[Any], parameters: dict[str, str] | None = None
) -> list[model.LoadBalancer]:
    """The load balancers of the rows that ``heads`` selects, each with all that belongs to it."""
    found = connection.execute(heads, parameters).mappings().all()
    if not found:
        return []
    ids = {"ids": [head["id"] for head in found]}
    parts = {name: _grouped(connection.execute(select, ids)) for name, select in _PARTS}
    return [rows.load_balancer(head, parts) for head in found]


def _grouped(result: sa.CursorResult[Any]) -> rows.ByLoadBalancer:
    grouped: rows.ByLoadBalancer = {}
    for row in result.mappings():
        grouped.setdefault(row["load_balancer_id"], []).append(row)
    return grouped
