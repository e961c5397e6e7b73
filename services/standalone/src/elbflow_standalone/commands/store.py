"""``elbflow store``: care of the store."""

from __future__ import annotations

import argparse
import asyncio

from elbflow import store
from elbflow_standalone import commands


def add_to(subparsers: commands.Subparsers) -> None:
    parser = subparsers.add_parser("store", help="care of the store of desired and observed state")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    migrate = actions.add_parser("migrate", help="bring a store's schema to the version this build needs")
    migrate.add_argument("url", help="SQLAlchemy URL, e.g. sqlite+aiosqlite:////var/lib/elbflow/store.sqlite")
    migrate.set_defaults(run=run_migrate)


def run_migrate(arguments: argparse.Namespace) -> int:
    asyncio.run(store.migrate(arguments.url))
    print("the store is at the newest schema")
    return 0
