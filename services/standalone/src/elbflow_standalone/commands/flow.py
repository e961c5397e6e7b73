"""``elbflow flow``: care of workflows whose executions outlive deployments."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from rich import box, console, progress, table
from rich.text import Text

from elbflow import errors
from elbflow.contract import names
from elbflow.flow import deployment
from elbflow.flow.recordings import History, format_history
from elbflow_standalone import builds, commands, endpoint
from elbflow_standalone.commands import replay

SAFE, BREAKS, IMPOSSIBLE = 0, 1, 2
_WORDS = ("same", "breaks", "unknown", "gone")
_MOST_SHOWN = 20


def add_to(subparsers: commands.Subparsers) -> None:
    parser = subparsers.add_parser("flow", help="replay a domain's executions before a deployment; fetch histories")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_safe_to_deploy(actions)
    _add_history(actions)


def _add_safe_to_deploy(actions: commands.Subparsers) -> None:
    parser = actions.add_parser(
        "safe-to-deploy",
        help="replay open and recent executions against this build",
        description="Replays all open executions of a domain, and the newest closed ones of each workflow of this "
        "build, against this build. Exit status: 0 none would break, 1 some would, 2 SWF could not be asked.",
    )
    parser.add_argument("--domain", default=names.DOMAIN, metavar="D", help=f"SWF domain (default {names.DOMAIN})")
    parser.add_argument(
        "--closed", type=int, default=20, metavar="N", help="closed executions per workflow type (default 20)"
    )
    parser.add_argument("--json", action="store_true", help="for programs: every execution with its verdict")
    replay.add_workflows(parser)
    endpoint.add_to(parser)
    parser.set_defaults(run=run_safe_to_deploy)


def _add_history(actions: commands.Subparsers) -> None:
    parser = actions.add_parser("history", help="download one history, for elbflow replay")
    parser.add_argument("workflow_id", metavar="WORKFLOW_ID")
    parser.add_argument("--run-id", metavar="RUN_ID", help="default: the open run, else the newest one")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: standard output")
    parser.add_argument("--domain", default=names.DOMAIN, metavar="D", help=f"SWF domain (default {names.DOMAIN})")
    endpoint.add_to(parser)
    parser.set_defaults(run=run_history)


def run_safe_to_deploy(arguments: argparse.Namespace) -> int:
    return _status(lambda: report(arguments, _examined(arguments, builds.load(arguments.workflows))))


def run_history(arguments: argparse.Namespace) -> int:
    return _status(lambda: save(arguments, _downloaded(arguments)))


def report(arguments: argparse.Namespace, examined: Sequence[deployment.Examined]) -> int:
    """Print what was found and give the exit status."""
    broken = [one for one in examined if one.word == "breaks"]
    if arguments.json:
        rows = [_row(one) for one in examined]
        print(json.dumps({"domain": arguments.domain, "safe": not broken, "executions": rows}, indent=2))
    else:
        _show(console.Console(soft_wrap=True), arguments.domain, examined, broken)
    return BREAKS if broken else SAFE


def save(arguments: argparse.Namespace, history: History | None) -> int:
    """Write a history to a file or standard output and give the exit status."""
    if history is None:
        print(f"elbflow: {arguments.domain} has no execution {arguments.workflow_id}", file=sys.stderr)
        return IMPOSSIBLE
    text = format_history(history.execution, history.events)
    if arguments.output is None:
        print(text, end="")
    else:
        arguments.output.write_text(text)
        print(f"{len(history.events)} events; now: elbflow replay {arguments.output}", file=sys.stderr)
    return SAFE


def _examined(arguments: argparse.Namespace, classes: Sequence[type]) -> Sequence[deployment.Examined]:
    """Ask SWF, with a bar on the terminal."""
    bar = progress.Progress(console=console.Console(stderr=True), transient=True, disable=arguments.json)
    task = bar.add_task("replaying histories", total=None)

    async def ask() -> Sequence[deployment.Examined]:
        async with endpoint.client(arguments) as service:
            return await deployment.examine_domain(
                service,
                arguments.domain,
                classes,
                closed=arguments.closed,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )

    with bar:
        return asyncio.run(ask())


def _downloaded(arguments: argparse.Namespace) -> History | None:
    async def ask() -> History | None:
        async with endpoint.client(arguments) as service:
            return await deployment.download(service, arguments.domain, arguments.workflow_id, arguments.run_id)

    return asyncio.run(ask())


def _show(
    screen: console.Console,
    domain: str,
    examined: Sequence[deployment.Examined],
    broken: Sequence[deployment.Examined],
) -> None:
    made = table.Table(title=f"{domain}: {len(examined)} executions", title_justify="left", box=box.SIMPLE)
    for name in ("workflow", "version", "open", "closed", *_WORDS):
        made.add_column(name, justify="left" if name in ("workflow", "version") else "right", overflow="fold")
    kinds = sorted({one.info.workflow_type for one in examined}, key=lambda kind: (kind.name, kind.version))
    for kind in kinds:
        of_kind = [one for one in examined if one.info.workflow_type == kind]
        still_open = sum(one.info.close_status is None for one in of_kind)
        words = Counter(one.word for one in of_kind)
        counts = [still_open, len(of_kind) - still_open, *(words[word] for word in _WORDS)]
        style = "red" if words["breaks"] else "yellow" if words["unknown"] else ""
        made.add_row(kind.name, kind.version, *(str(count or "") for count in counts), style=style)
    screen.print(made)
    for one in broken[:_MOST_SHOWN]:
        state = one.info.close_status or "OPEN"
        error = one.verdict.error
        screen.print(Text(f"breaks: {one.info.workflow_type.name} {one.verdict.name} ({state})", style="bold"))
        screen.print(Text(f"{type(error).__name__}: {error}\n"))
    if len(broken) > _MOST_SHOWN:
        screen.print(f"and {len(broken) - _MOST_SHOWN} more; see --json")
    screen.print(Text(_conclusion(examined, broken)))


def _conclusion(examined: Sequence[deployment.Examined], broken: Sequence[deployment.Examined]) -> str:
    unknown = sum(one.word == "unknown" for one in examined)
    aside = f"; {unknown} are of workflows that this build does not have" if unknown else ""
    if broken:
        return f"not safe: {len(broken)} of {len(examined)} executions would break{aside}"
    return f"safe: none of {len(examined)} executions would break{aside}"


def _row(one: deployment.Examined) -> dict[str, object]:
    return {
        "workflow": one.info.workflow_type.name,
        "version": one.info.workflow_type.version,
        "workflow_id": one.info.execution.workflow_id,
        "run_id": one.info.execution.run_id,
        "status": one.info.close_status or "OPEN",
        "events": one.verdict.events,
        "decisions": one.verdict.decisions,
        "verdict": one.word,
        "error": None if one.verdict.error is None else f"{type(one.verdict.error).__name__}: {one.verdict.error}",
    }


def _status(work: Callable[[], int]) -> int:
    """The exit status of ``work``; errors are sentences on stderr."""
    try:
        return work()
    except* errors.ElbflowError as group:
        for error in _leaves(group):
            print(f"elbflow: {error}", file=sys.stderr)
    return IMPOSSIBLE


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for member in error.exceptions for leaf in _leaves(member)]
    return [error]
