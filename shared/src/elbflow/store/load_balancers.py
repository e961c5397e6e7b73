"""Load balancers as aggregates: a constant number of queries, however many are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from elbflow import errors
from elbflow.contract import document
from elbflow.store import aggregates, locks, model, rows, tables, upserts
from elbflow.store.connections import Connection

_T = tables.load_balancers

# Built once: SQLAlchemy takes longer to build a statement than SQLite to carry it out.
_NAMED = sa.select(_T).where(_T.c.account == sa.bindparam("account"), _T.c.name_lower == sa.bindparam("name"))
_NAMED_FOR_UPDATE = _NAMED.with_for_update()
_BUMP = (
    sa.update(_T)
    .where(_T.c.id == sa.bindparam("lb_id"))
    .values(generation=_T.c.generation + 1)
    .returning(_T.c.generation)
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
        found = await self._connection.run_sync(aggregates.read, _NAMED_FOR_UPDATE if for_update else _NAMED, named)
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
        account: str | None,
        *,
        names: Iterable[str] | None = None,
        state: model.LoadBalancerState | None,
        after: str = "",
        after_account: str = "",
        limit: int | None = None,
    ) -> Sequence[model.LoadBalancer]:
        """At most ``limit`` load balancers of an account in ``state``, by name, from the first one behind ``after``.

        ``state`` None means all states, ``account`` None all accounts, where one name may come once for each:
        ``after_account`` tells whose is the last one that was seen. ``names`` restricts the answer to these; like
        ``after`` it is compared without regard to case.
        """
        chosen = _page(account, names, state, after.lower(), after_account, limit)
        return await self._connection.run_sync(aggregates.read, chosen)

    async def listing(
        self,
        account: str | None,
        *,
        names: Iterable[str] | None = None,
        state: model.LoadBalancerState,
        after: str = "",
        after_account: str = "",
        limit: int | None = None,
    ) -> Sequence[model.Listed]:
        """The same as :meth:`page`, without what no list shows: less than half of the work."""
        chosen = _page(account, names, state, after.lower(), after_account, limit)
        return await self._connection.run_sync(aggregates.read_listed, chosen)

    async def count_for_creation(self, account: str) -> int:
        """The account's load balancers; nobody else creates one in it until this transaction ends."""
        await self._connection.run_sync(locks.on_account, locks.Purpose.LOAD_BALANCERS, account)
        result = await self._connection.execute(
            sa.select(sa.func.count()).select_from(_T).where(_T.c.account == account)
        )
        return int(result.scalar_one())

    async def batch(self, after_id: int, *, limit: int) -> Sequence[model.LoadBalancer]:
        """At most ``limit`` load balancers of all accounts whose ids follow ``after_id``, by id; begin with 0."""
        chosen = sa.select(_T.c.id).where(_T.c.id > after_id).order_by(_T.c.id).limit(limit)
        return sorted(await self._select(_T.c.id.in_(chosen)), key=lambda lb: lb.id)

    async def _select(self, condition: sa.ColumnElement[bool]) -> list[model.LoadBalancer]:
        chosen = sa.select(_T).where(condition).order_by(_T.c.name_lower, _T.c.account)
        return await self._connection.run_sync(aggregates.read, chosen)

    # --- writing ---------------------------------------------------------------------------------------

    async def create(self, lb: model.LoadBalancer) -> model.LoadBalancer:
        """Insert the aggregate's own rows (not its backends and VMs) and return it with its id.

        Raises :class:`LoadBalancerExists`; the transaction must then be given up.
        """
        lb_id = await self._insert_head(lb)
        await self.add_listeners(lb_id, lb.listeners)
        await self._add_policies(lb_id, lb.policies)
        await self._insert(
            tables.zones,
            [
                {"load_balancer_id": lb_id, "name": one.name, "state": one.state.value, "subnet_id": one.subnet_id}
                for one in lb.zones
            ],
        )
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
            vpc_id=lb.vpc_id,
            security_groups=_groups(lb.security_groups),
            backend_policies=_backend_policies(lb.backend_policies),
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
        result = await self._connection.execute(_BUMP, {"lb_id": lb_id})
        return int(result.scalar_one())

    async def set_state(self, lb_id: int, state: model.LoadBalancerState) -> None:
        await self._update(lb_id, state=state.value)

    async def set_attributes(self, lb_id: int, attributes: document.Attributes) -> None:
        await self._update(lb_id, attributes=asdict(attributes))

    async def set_health_check(self, lb_id: int, health_check: document.HealthCheck) -> None:
        await self._update(lb_id, health_check=asdict(health_check))

    async def set_security_groups(self, lb_id: int, groups: Iterable[document.SecurityGroup]) -> None:
        await self._update(lb_id, security_groups=_groups(groups))

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

    async def set_listener_certificate(self, lb_id: int, port: int, certificate_arn: str | None) -> None:
        table = tables.listeners
        await self._connection.execute(
            sa.update(table)
            .where(table.c.load_balancer_id == lb_id, table.c.port == port)
            .values(certificate_arn=certificate_arn)
        )

    async def set_backend_policies(
        self, lb_id: int, backend_policies: Iterable[document.BackendServerPolicies]
    ) -> None:
        """Replace the policies of all back ends."""
        await self._update(lb_id, backend_policies=_backend_policies(backend_policies))

    async def add_policy(self, lb_id: int, policy: document.Policy) -> None:
        await self._add_policies(lb_id, [policy])

    async def delete_policy(self, lb_id: int, name: str) -> None:
        table = tables.policies
        await self._connection.execute(sa.delete(table).where(table.c.load_balancer_id == lb_id, table.c.name == name))

    async def set_zones(self, lb_id: int, names: Iterable[str], state: model.ZoneState) -> None:
        """Insert or update the zones' rows."""
        written = [{"load_balancer_id": lb_id, "name": name, "state": state.value} for name in dict.fromkeys(names)]
        await upserts.write(
            self._connection, tables.zones, written, unique=("load_balancer_id", "name"), changed=("state",)
        )

    async def set_subnets(self, lb_id: int, subnets: Mapping[str, str]) -> None:
        """Say in which subnet the VMs of each zone serve; a zone without a row gets one, which is not enabled yet."""
        state = model.ZoneState.OUT_OF_SERVICE.value
        written = [
            {"load_balancer_id": lb_id, "name": zone, "state": state, "subnet_id": subnet_id}
            for zone, subnet_id in subnets.items()
        ]
        await upserts.write(
            self._connection, tables.zones, written, unique=("load_balancer_id", "name"), changed=("subnet_id",)
        )

    async def put_tags(self, lb_id: int, tags: Iterable[tuple[str, str]]) -> None:
        """Insert the tags, or set their values; of a key given twice the last value counts."""
        written = [{"load_balancer_id": lb_id, "key": key, "value": value} for key, value in dict(tags).items()]
        await upserts.write(
            self._connection, tables.tags, written, unique=("load_balancer_id", "key"), changed=("value",)
        )

    async def remove_tags(self, lb_id: int, keys: Iterable[str]) -> None:
        """Remove the tags; keys that there are not are ignored."""
        table = tables.tags
        await self._connection.execute(
            sa.delete(table).where(table.c.load_balancer_id == lb_id, table.c.key.in_(list(keys)))
        )

    async def _add_policies(self, lb_id: int, policies: Iterable[document.Policy]) -> None:
        await self._insert(
            tables.policies,
            [
                {
                    "load_balancer_id": lb_id,
                    "name": policy.name,
                    "type_name": policy.type_name,
                    "attributes": [list(pair) for pair in policy.attributes],
                }
                for policy in policies
            ],
        )

    async def _update(self, lb_id: int, **values: object) -> None:
        await self._connection.execute(sa.update(_T).where(_T.c.id == lb_id).values(**values))

    async def _insert(self, table: sa.Table, values: list[dict[str, object]]) -> None:
        if values:
            await self._connection.execute(sa.insert(table), values)


def _page(
    account: str | None,
    names: Iterable[str] | None,
    state: model.LoadBalancerState | None,
    after: str,
    after_account: str,
    limit: int | None,
) -> sa.Select[Any]:
    condition = _behind(account, after, after_account)
    if state is not None:
        condition = sa.and_(_T.c.state == state.value, condition)
    if names is not None:
        condition = sa.and_(condition, _T.c.name_lower.in_([name.lower() for name in names]))
    return sa.select(_T).where(condition).order_by(_T.c.name_lower, _T.c.account).limit(limit)


def _behind(account: str | None, name: str, after_account: str) -> sa.ColumnElement[bool]:
    """Load balancers of ``account``, or of all, that come after the one of the name."""
    if account is not None:
        return sa.and_(_T.c.account == account, _T.c.name_lower > name)
    return sa.or_(_T.c.name_lower > name, sa.and_(_T.c.name_lower == name, _T.c.account > after_account))


def _backend_policies(given: Iterable[document.BackendServerPolicies]) -> list[list[object]]:
    return [[one.instance_port, list(one.policy_names)] for one in given]


def _groups(groups: Iterable[document.SecurityGroup]) -> list[list[str]]:
    return [[group.group_id, group.name] for group in groups]
