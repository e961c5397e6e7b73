"""``elbflow store``: care of the store."""

from __future__ import annotations

import argparse
import asyncio
import os

from elbflow import errors, store
from elbflow_standalone import commands

_HELP = "care of the store of desired and observed state"
_EPILOG = """\
Examples:
  elbflow store migrate sqlite:////var/lib/elbflow/store.sqlite
                                      make the store, or bring it up to date; every row is kept
  ELBFLOW_STORE_URL=postgresql://elbflow:secret@db.example/elbflow elbflow store migrate
                                      the same on PostgreSQL, with the password out of the list of processes
Migrate before the services start; the one-machine stack (elbflow up) migrates its own store. Several may migrate at
once. A migration that fails changes nothing.
"""


class NoStoreNamed(errors.Permanent):
    """Which store? elbflow store migrate URL, or the URL in ELBFLOW_STORE_URL."""


def add_to(subparsers: commands.Subparsers) -> None:
    parser = subparsers.add_parser(
        "store", help=_HELP, description=_HELP, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    migrate = actions.add_parser("migrate", help="bring a store's schema to the version this build needs")
    migrate.add_argument(
        "url",
        nargs="?",
        help="sqlite:////var/lib/elbflow/store.sqlite or postgresql://elbflow@db.example/elbflow "
        "(default: $ELBFLOW_STORE_URL, where others do not see its password)",
    )
    migrate.set_defaults(run=run_migrate)


def run_migrate(arguments: argparse.Namespace) -> int:
    url = arguments.url or os.environ.get("ELBFLOW_STORE_URL")
    if not url:
        raise NoStoreNamed
    asyncio.run(store.migrate(url))
    print("the store is at the newest schema")
    return 0
