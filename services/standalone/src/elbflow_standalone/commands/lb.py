"""``elbflow lb``: load balancers as users see them, and how far the stack is with what they asked for."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import datetime

from rich import console

from elbflow import store
from elbflow.contract import document
from elbflow_standalone import aws, commands, credentials, layout, lb_events, lb_tables, load_balancers, stack_file

_HELP = "load balancers: what they are, where they answer, how their instances are, what was done to them"
_EPILOG = """\
Examples:
  elbflow lb ls                       all load balancers, one line each
  elbflow lb show web                 all of one, and whether its VMs serve the newest change yet
  elbflow lb health web               why an instance is or is not in service
  elbflow lb events web               what was done to it, newest first; works after its deletion too
  elbflow lb show web --json          for programs
To change load balancers use any AWS tool: eval "$(elbflow env)" and then aws elb help.
"""

_UNBROKEN = 1000
"""Columns of what is no terminal."""


def add_to(subparsers: commands.Subparsers) -> None:
    parser = subparsers.add_parser(
        "lb", help=_HELP, description=_HELP, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = _action(actions, "ls", run_list, "all load balancers of the account", aliases=["list"])
    listing.add_argument("-1", dest="names_only", action="store_true", help="names alone, one to a line")
    show = _action(actions, "show", run_show, "one load balancer: its settings, and what its VMs serve of them")
    health = _action(actions, "health", run_health, "the state of its instances, and why")
    events = _action(actions, "events", run_events, "its workflow executions of the last day, newest first")
    for action in (show, health, events):
        action.add_argument("name", metavar="NAME", help="name of the load balancer, in any case of letters")
    events.add_argument("--limit", type=_count, default=20, metavar="N", help="how many to show (default 20)")


def _action(
    actions: commands.Subparsers,
    name: str,
    run: Callable[[argparse.Namespace, layout.Layout], int],
    text: str,
    aliases: Sequence[str] = (),
) -> argparse.ArgumentParser:
    """An action that runs with the stack's layout; what its endpoints refuse becomes one sentence."""

    def explained(arguments: argparse.Namespace) -> int:
        where = stack_file.load_layout(arguments.data_dir)
        with aws.explained(where):
            return run(arguments, where)

    action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", aliases=aliases)
    action.add_argument("--json", action="store_true", help="for programs")
    commands.add_data_dir(action)
    action.set_defaults(run=explained)
    return action


def run_list(arguments: argparse.Namespace, where: layout.Layout) -> int:
    """As DescribeLoadBalancers tells."""
    found = load_balancers.all_of(aws.client(where, "elb"))
    if arguments.json:
        _print_json(found)
    elif arguments.names_only:
        for one in found:
            print(one["LoadBalancerName"])
    else:
        _screen().print(lb_tables.listing(found))
    return 0


def run_show(arguments: argparse.Namespace, where: layout.Layout) -> int:
    """As the API describes it, with what the store knows of its VMs. Also while it is being created or deleted."""
    lb = asyncio.run(load_balancers.stored(where, arguments.name))
    shown = load_balancers.show(aws.client(where, "elb"), lb)
    if arguments.json:
        told = {"description": shown.description, "attributes": shown.attributes, "tags": shown.tags}
        _print_json(load_balancers.as_json(lb) | told)
    else:
        for part in lb_tables.page(shown):
            _screen().print(part)
    return 0


def run_health(arguments: argparse.Namespace, where: layout.Layout) -> int:
    """As DescribeInstanceHealth tells."""
    states = load_balancers.health(aws.client(where, "elb"), arguments.name)
    if arguments.json:
        _print_json(states)
    else:
        _screen().print(lb_tables.health(arguments.name, states))
    return 0


def run_events(arguments: argparse.Namespace, where: layout.Layout) -> int:
    """The executions that carry its tags."""
    key = asyncio.run(_key(where, arguments.name))
    events = lb_events.of_load_balancer(aws.client(where, "swf"), key, arguments.limit)
    if arguments.json:
        _print_json([event.as_json() for event in events])
    elif not events:
        print(f"SWF knows of nothing that was done to {key.name!r} in the last day; see: elbflow lb ls")
    else:
        _screen().print(lb_tables.events(key.name, events))
    return 0


async def _key(where: layout.Layout, name: str) -> document.LoadBalancerKey:
    """The load balancer's key with its name as it was created: executions carry that."""
    given = document.LoadBalancerKey(credentials.ACCOUNT, name)
    async with store.Store(where.store_url) as db:
        await db.require_current_schema()
        async with db.reading() as tx:
            found = await tx.load_balancers.find(given)
    return found.key if found is not None else given


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number, and at least 1")
    return int(text)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, default=_moment))


def _moment(value: object) -> str:
    """Times as ``elbflow lb events`` shows them."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value)} is no JSON")


def _screen() -> console.Console:
    # What is shown comes from users and errors: brackets and colons in it mean nothing.
    screen = console.Console(soft_wrap=True, markup=False, emoji=False)
    if not screen.is_terminal:  # Whoever searches it must find ids and addresses in one piece.
        screen.width = _UNBROKEN
    return screen
