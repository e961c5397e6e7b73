"""``elbflow plan``: what a change would do to the HAProxys of a load balancer, by which means, and why."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import re
from collections.abc import Sequence

from rich import box, console, table
from rich.text import Text

from elbflow import store
from elbflow.contract import document
from elbflow_standalone import commands, credentials, layout, load_balancers, plans, stack_file

_HELP = "what a change would do to a load balancer's HAProxys, by which means, and why one would need a reload"
_EPILOG = """\
Examples:
  elbflow plan web                                  what is still to be done for the newest change
  elbflow plan web --register i-web2                members come and go without a reload
  elbflow plan web --listener HTTP:8080:HTTP:8000 --idle-timeout 90 --json
Nothing is changed. Steps are made by the runtime API (nobody notices), by a reload (a new HAProxy process takes over,
the old one finishes its connections) or by a start.
"""
_LISTENER = re.compile(r"(HTTPS?|TCP|SSL):([0-9]{1,5}):(HTTPS?|TCP|SSL):([0-9]{1,5})(?::(arn:.+))?", re.IGNORECASE)
_STYLES = {"runtime": "green", "reload": "yellow", "start": "red"}


def add_to(subparsers: commands.Subparsers) -> None:
    parser = subparsers.add_parser(
        "plan", help=_HELP, description=_HELP, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="LB", help="name of the load balancer, in any case of letters")
    parser.add_argument(
        "--listener",
        type=_listener,
        action="append",
        default=[],
        metavar="PROTOCOL:PORT:PROTOCOL:PORT[:CERTIFICATE]",
        help="add a listener, or change the one on its port; CERTIFICATE is the ARN of another one than it has",
    )
    parser.add_argument("--without-listener", type=int, action="append", default=[], metavar="PORT")
    parser.add_argument("--register", action="append", default=[], metavar="INSTANCE")
    parser.add_argument("--deregister", action="append", default=[], metavar="INSTANCE")
    parser.add_argument("--idle-timeout", type=int, metavar="SECONDS")
    parser.add_argument("--json", action="store_true", help="for programs")
    commands.add_data_dir(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Return 0 when every VM could tell; what it would have to change does not matter."""
    where = stack_file.load_layout(arguments.data_dir)
    lb = asyncio.run(load_balancers.stored(where, arguments.name))
    known = asyncio.run(_instances(where)) if arguments.register else ()
    found = plans.of_load_balancer(where, lb, _edits(arguments, known))
    if arguments.json:
        print(json.dumps([dataclasses.asdict(one) for one in found], indent=2))
        return 0
    screen = console.Console(soft_wrap=True)
    if lb.applied_generation < lb.generation:
        screen.print(Text(f"serves generation {lb.applied_generation} of {lb.generation} so far", style="yellow"))
    if not found:
        screen.print(Text(f"{lb.key.name} has no VMs; see: elbflow lb show {lb.key.name}"))
    for one in found:
        for part in _page(one):
            screen.print(part)
    return 0


def _edits(arguments: argparse.Namespace, known: Sequence[store.Instance]) -> list[plans.Edit]:
    edits = [plans.without_listener(port) for port in arguments.without_listener]
    edits += arguments.listener
    edits += [plans.registered(instance_id, known) for instance_id in arguments.register]
    edits += [plans.deregistered(instance_id) for instance_id in arguments.deregister]
    if arguments.idle_timeout is not None:
        edits.append(plans.idle_timeout(arguments.idle_timeout))
    return edits


def _page(plan: plans.VmPlan) -> list[console.RenderableType]:
    title = Text(f"{plan.instance_id} at {plan.address} in {plan.zone}: ", style="bold")
    if not plan.steps:
        title.append("nothing to do", style="green")
    elif plan.why:
        means = max((step.means for step in plan.steps), key=list(_STYLES).index)
        title.append(f"needs a {means}: {'; '.join(plan.why)}", style=_STYLES[means])
    else:
        title.append("no reload", style="green")
    parts: list[console.RenderableType] = [title]
    if plan.steps:
        made = table.Table(box=box.SIMPLE)
        for name in ("by", "listener", "change"):
            made.add_column(name, overflow="fold")
        for step in plan.steps:
            port = "all" if step.port is None else str(step.port)
            made.add_row(Text(step.means, style=_STYLES.get(step.means, "")), port, step.what)
        parts.append(made)
    for one in plan.problems:
        kind, style = ("remark", "yellow") if one.is_served else ("problem", "red")
        parts.append(Text(f"{kind} on port {one.port}: {one.reason}", style=style))
    return parts


def _listener(text: str) -> plans.Edit:
    found = _LISTENER.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form HTTP:8080:HTTP:8000")
    front, port, back, instance_port, arn = found.groups()
    return plans.listener(
        document.Protocol(front.upper()), int(port), document.Protocol(back.upper()), int(instance_port), arn
    )


async def _instances(where: layout.Layout) -> Sequence[store.Instance]:
    async with store.Store(where.store_url) as db, db.reading() as tx:
        return await tx.instances.of_account(credentials.ACCOUNT)
