"""Server certificates of accounts (spec/elb-control-plane 1.8, SetLoadBalancerListenerSSLCertificate)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import sqlalchemy as sa

from elbflow import errors
from elbflow.contract import document
from elbflow.store import locks, model, tables
from elbflow.store.connections import Connection

_T = tables.server_certificates


class ServerCertificateExists(errors.Permanent):
    """The account has a server certificate of this name. The transaction must be given up."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There already is a server certificate {name}")
        self.name = name


class ServerCertificates:
    """Repository of server certificates. They are found by their exact names."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def by_name(self, account: str, name: str) -> model.ServerCertificate | None:
        found = await self._select(_T.c.account == account, _T.c.name == name)
        return found[0] if found else None

    async def by_arn(self, arn: str, *, keep: bool = False) -> model.ServerCertificate | None:
        """The certificate, whoever owns it: compare its ``account`` with the caller's.

        With ``keep`` nobody can delete or rename it before this transaction ends: for listeners that will use it. Lock
        the listener's load balancer first.
        """
        chosen = sa.select(_T).where(_T.c.arn == arn)
        result = await self._connection.execute(chosen.with_for_update(read=True) if keep else chosen)
        row = result.mappings().one_or_none()
        return _certificate(row) if row else None

    async def lock(self, certificate_id: str) -> str | None:
        """Keep others from using, renaming or deleting it until this transaction ends; its ARN, None when gone."""
        result = await self._connection.execute(
            sa.select(_T.c.arn).where(_T.c.certificate_id == certificate_id).with_for_update()
        )
        return result.scalar_one_or_none()

    async def of_account(
        self, account: str, path_prefix: str = "/", *, after: str = "", limit: int | None = None
    ) -> Sequence[model.ServerCertificate]:
        """The account's certificates with paths that begin so, by name, from the first one behind ``after``."""
        return await self._select(
            _T.c.account == account,
            sa.func.substr(_T.c.path, 1, len(path_prefix)) == path_prefix,
            _T.c.name > after,
            limit=limit,
        )

    async def count_for_upload(self, account: str) -> int:
        """The account's certificates; nobody else adds one to it until this transaction ends."""
        await self._connection.run_sync(locks.on_account, locks.Purpose.CERTIFICATES, account)
        result = await self._connection.execute(
            sa.select(sa.func.count()).select_from(_T).where(_T.c.account == account)
        )
        return int(result.scalar_one())

    async def is_taken(self, account: str, name: str, *, by_other_than: str = "") -> bool:
        """Whether a certificate, another than the one of this id, has the name in any case of letters.

        Nobody else adds or renames one in the account until this transaction ends. Lock the account before load
        balancers and certificates.
        """
        await self._connection.run_sync(locks.on_account, locks.Purpose.CERTIFICATES, account)
        result = await self._connection.execute(
            sa.select(sa.func.count())
            .select_from(_T)
            .where(
                _T.c.account == account,
                sa.func.lower(_T.c.name) == name.lower(),
                _T.c.certificate_id != by_other_than,
            )
        )
        return int(result.scalar_one()) > 0

    async def add(self, certificate: model.ServerCertificate) -> None:
        """Raises :class:`ServerCertificateExists`."""
        try:
            await self._connection.execute(sa.insert(_T).values(_values(certificate)))
        except sa.exc.IntegrityError as error:
            raise ServerCertificateExists(certificate.name) from error

    async def update(self, certificate: model.ServerCertificate) -> None:
        """Replace what is kept under this ``certificate_id``. Raises :class:`ServerCertificateExists`."""
        try:
            await self._connection.execute(
                sa.update(_T).where(_T.c.certificate_id == certificate.certificate_id).values(_values(certificate))
            )
        except sa.exc.IntegrityError as error:
            raise ServerCertificateExists(certificate.name) from error

    async def remove(self, certificate_id: str) -> None:
        await self._connection.execute(sa.delete(_T).where(_T.c.certificate_id == certificate_id))

    async def users(self, arn: str) -> Sequence[document.LoadBalancerKey]:
        """The load balancers with a listener that serves this certificate."""
        lbs, listeners = tables.load_balancers, tables.listeners
        result = await self._connection.execute(
            sa.select(lbs.c.account, lbs.c.name)
            .join(listeners, listeners.c.load_balancer_id == lbs.c.id)
            .where(listeners.c.certificate_arn == arn)
            .distinct()
            .order_by(lbs.c.account, lbs.c.name)
        )
        return [document.LoadBalancerKey(row.account, row.name) for row in result]

    async def exchange(self, lb_id: int, former_arn: str, arn: str) -> None:
        """Let the load balancer's listeners that use the one certificate use the other, perhaps the same renamed."""
        table = tables.listeners
        await self._connection.execute(
            sa.update(table)
            .where(table.c.load_balancer_id == lb_id, table.c.certificate_arn == former_arn)
            .values(certificate_arn=arn)
        )

    async def _select(
        self, *conditions: sa.ColumnElement[bool], limit: int | None = None
    ) -> list[model.ServerCertificate]:
        result = await self._connection.execute(sa.select(_T).where(*conditions).order_by(_T.c.name).limit(limit))
        return [_certificate(row) for row in result.mappings()]


def _certificate(row: sa.RowMapping) -> model.ServerCertificate:
    return model.ServerCertificate(**{**row, "tags": tuple((key, value) for key, value in row["tags"])})


def _values(certificate: model.ServerCertificate) -> Mapping[str, object]:
    return {**asdict(certificate), "tags": [list(tag) for tag in certificate.tags]}
