"""Locks on what has no row yet."""

from __future__ import annotations

import enum

import sqlalchemy as sa


class Purpose(enum.IntEnum):
    """First keys of PostgreSQL's advisory locks: any numbers that nobody else uses."""

    LOAD_BALANCERS = 0x656C62
    CERTIFICATES = 0x69616D
    TEMPORARY_KEYS = 0x737473


def on_account(connection: sa.Connection, purpose: Purpose, account: str) -> None:
    """Keep others from this purpose in the account until the transaction ends. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(int(purpose), sa.func.hashtext(account))))
