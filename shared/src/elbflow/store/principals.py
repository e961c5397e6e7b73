"""Users and roles of accounts, and the policies that say what they may do."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from elbflow import errors
from elbflow.store import model, tables, upserts
from elbflow.store.connections import Connection

_T = tables.principals
_POLICIES = tables.principal_policies


class PrincipalExists(errors.Permanent):
    """There is a user or role of this ARN. The transaction must be given up."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"There already is {arn}")
        self.arn = arn


class Principals:
    """Repository of users and roles."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, arn: str) -> model.Principal | None:
        found = await self._select(_T.c.arn == arn)
        return found[0] if found else None

    async def of_account(self, account: str) -> Sequence[model.Principal]:
        """Users and roles of an account by ARN."""
        return await self._select(_T.c.account == account)

    async def policies(self, arn: str) -> Sequence[str]:
        """The policy documents of one user or role; none when it does not exist."""
        result = await self._connection.execute(sa.select(_POLICIES.c.document).where(_POLICIES.c.arn == arn))
        return list(result.scalars())

    async def add(self, principal: model.Principal) -> None:
        """Insert it with its policies. Raises :class:`PrincipalExists`."""
        values = {
            "arn": principal.arn,
            "account": principal.account,
            "kind": principal.kind.value,
            "name": principal.name,
            "created_at": principal.created_at,
        }
        try:
            await self._connection.execute(sa.insert(_T).values(values))
        except sa.exc.IntegrityError as error:
            raise PrincipalExists(principal.arn) from error
        for name, document in principal.policies:
            await self.put_policy(principal.arn, name, document)

    async def remove(self, arn: str) -> bool:
        """Delete it with its policies and access keys; whether there was one."""
        result = await self._connection.execute(sa.delete(_T).where(_T.c.arn == arn))
        return result.rowcount > 0

    async def put_policy(self, arn: str, name: str, document: str) -> None:
        """Insert or replace one policy."""
        row = {"arn": arn, "name": name, "document": document}
        await upserts.write(self._connection, _POLICIES, [row], unique=("arn", "name"), changed=("document",))

    async def remove_policy(self, arn: str, name: str) -> bool:
        """Whether there was one."""
        result = await self._connection.execute(
            sa.delete(_POLICIES).where(_POLICIES.c.arn == arn, _POLICIES.c.name == name)
        )
        return result.rowcount > 0

    async def _select(self, condition: sa.ColumnElement[bool]) -> list[model.Principal]:
        heads = await self._connection.execute(sa.select(_T).where(condition).order_by(_T.c.arn))
        found = list(heads.mappings())
        if not found:
            return []
        result = await self._connection.execute(
            sa.select(_POLICIES)
            .where(_POLICIES.c.arn.in_([row["arn"] for row in found]))
            .order_by(_POLICIES.c.arn, _POLICIES.c.name)
        )
        documents: dict[str, list[tuple[str, str]]] = {}
        for row in result.mappings():
            documents.setdefault(row["arn"], []).append((row["name"], row["document"]))
        return [
            model.Principal(
                arn=row["arn"],
                account=row["account"],
                kind=model.PrincipalKind(row["kind"]),
                name=row["name"],
                created_at=row["created_at"],
                policies=tuple(documents.get(row["arn"], ())),
            )
            for row in found
        ]
