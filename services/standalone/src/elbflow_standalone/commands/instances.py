"""``elbflow instances``: the local cloud's directory of backend instances."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import re
from collections.abc import Sequence
from dataclasses import replace

from elbflow import errors, store
from elbflow_standalone import commands, credentials, stack_file

_INSTANCE_ID = re.compile(r"i-[A-Za-z0-9]{1,40}")
_TERMINATED = "terminated"


class BadInstance(errors.Permanent):
    """The instance cannot be added, or removed."""


def add_to(subparsers: commands.Subparsers) -> None:
    parser = subparsers.add_parser("instances", help="the backend instances that users may register")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="add an instance, or change its address or zone")
    add.add_argument("instance_id", help="i-… of your choice")
    add.add_argument("--address", required=True, help="IPv4 address where it serves")
    add.add_argument("--zone", required=True, help="availability zone, e.g. local-1a")
    add.set_defaults(run=run_add)
    remove = actions.add_parser("remove", help="remove an instance; load balancers deregister it")
    remove.add_argument("instance_id")
    remove.set_defaults(run=run_remove)
    show = actions.add_parser("list", help="list the instances")
    show.add_argument("--json", action="store_true", help="for programs")
    show.set_defaults(run=run_list)
    for action in (add, remove, show):
        commands.add_data_dir(action)


def run_add(arguments: argparse.Namespace) -> int:
    if not _INSTANCE_ID.fullmatch(arguments.instance_id):
        raise BadInstance(f"{arguments.instance_id!r} is no instance id; use i- and up to 40 letters or digits")
    try:
        address = ipaddress.IPv4Address(arguments.address)
    except ValueError as error:
        raise BadInstance(f"{arguments.address!r} is no IPv4 address") from error
    instance = store.Instance(credentials.ACCOUNT, arguments.instance_id, str(address), arguments.zone)
    asyncio.run(_save(_url(arguments), instance))
    print(f"{instance.instance_id} at {instance.address} in {instance.zone}")
    return 0


def run_remove(arguments: argparse.Namespace) -> int:
    asyncio.run(_remove(_url(arguments), arguments.instance_id))
    print(f"{arguments.instance_id} is terminated; its load balancers deregister it within a minute")
    return 0


def run_list(arguments: argparse.Namespace) -> int:
    found = asyncio.run(_list(_url(arguments)))
    if arguments.json:
        rows = [{"instance_id": i.instance_id, "address": i.address, "zone": i.zone, "state": i.state} for i in found]
        print(json.dumps(rows, indent=2))
    else:
        for one in found:
            print(f"{one.instance_id:<24}{one.address:<18}{one.zone:<12}{one.state}")
    return 0


async def _save(url: str, instance: store.Instance) -> None:
    async with store.Store(url) as db, db.transaction() as tx:
        await tx.instances.save(instance)


async def _remove(url: str, instance_id: str) -> None:
    """As at EC2 a terminated instance stays known: whoever registered it learns of its end."""
    async with store.Store(url) as db, db.transaction() as tx:
        found = [one for one in await tx.instances.find(credentials.ACCOUNT, [instance_id]) if one.state != _TERMINATED]
        if not found:
            raise BadInstance(f"there is no instance {instance_id!r}; see elbflow instances list")
        await tx.instances.save(replace(found[0], state=_TERMINATED))


async def _list(url: str) -> Sequence[store.Instance]:
    async with store.Store(url) as db, db.reading() as tx:
        return await tx.instances.of_account(credentials.ACCOUNT)


def _url(arguments: argparse.Namespace) -> str:
    return stack_file.load_layout(arguments.data_dir).store_url
