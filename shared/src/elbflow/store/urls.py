"""Which database a URL means."""

from __future__ import annotations

import sqlalchemy as sa

from elbflow import errors

SQLITE = "sqlite"
_DRIVERS = {SQLITE: "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


class BadStoreUrl(errors.Permanent):
    """The URL of a store is sqlite:////path/of/the/file or postgresql://user:password@host/database."""


def parse(text: str) -> sa.URL:
    """The URL with the driver that is used here, whichever it names. Raises :class:`BadStoreUrl`."""
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise BadStoreUrl from error
    driver = _DRIVERS.get(url.get_backend_name())
    if driver is None:
        raise BadStoreUrl
    return url.set(drivername=driver)


def is_sqlite(url: sa.URL) -> bool:
    return url.get_backend_name() == SQLITE
