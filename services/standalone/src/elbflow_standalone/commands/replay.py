"""``elbflow replay``: a downloaded history against the workflows of this build."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from elbflow import errors
from elbflow.flow import debugging, definition
from elbflow.flow.recordings import History, read_history
from elbflow.flow.replaying import Verdict, judge
from elbflow_standalone import builds, commands

SAME, DIFFERS, IMPOSSIBLE = 0, 1, 2

_DESCRIPTION = """\
Replays a downloaded history against the workflows of this build.

HISTORY is what one of these wrote:
  elbflow flow history WORKFLOW_ID -o HISTORY
  aws swf get-workflow-execution-history --domain D --execution workflowId=W,runId=R > HISTORY
  boto3: json.dump(client.get_workflow_execution_history(...), file, default=str)

Exit status: 0 the build takes every decision as recorded, 1 it does not, 2 the history could not be replayed.
"""


def add_to(subparsers: commands.Subparsers) -> None:
    parser = subparsers.add_parser(
        "replay",
        help="replay a downloaded history against the workflows of this build",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("history", type=Path, metavar="HISTORY", help="the history, as JSON")
    parser.add_argument(
        "--break",
        dest="decision",
        nargs="?",
        type=int,
        const=0,
        metavar="DECISION",
        help="debug a decision with pdb (default: the one that differs, else the last)",
    )
    parser.add_argument("--workflow", metavar="NAME", help="replay with this workflow, whatever type the history names")
    add_workflows(parser)
    parser.set_defaults(run=run)


def add_workflows(parser: argparse.ArgumentParser) -> None:
    """The option that says whose workflows are meant."""
    parser.add_argument(
        "--workflows",
        action="append",
        default=[],
        metavar="MODULE[:NAME]",
        help="where this build has its workflows (default: what the installed packages announce as "
        f"{builds.GROUP}, elbflow's own without any)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Replay, and say in a few lines what came of it."""
    try:
        history = read_history(arguments.history.read_text())
        workflow = _workflow(arguments, history)
    except (errors.ElbflowError, OSError, UnicodeDecodeError) as error:
        print(f"elbflow: {arguments.history}: {error}", file=sys.stderr)
        return IMPOSSIBLE
    if arguments.decision is not None:
        return _debug(workflow, history, arguments.decision or None)
    with debugging.breakpoints():
        verdict = judge(workflow, history, arguments.history.name)
    print(describe(verdict, history))
    return SAME if verdict.ok else DIFFERS


def describe(verdict: Verdict, history: History) -> str:
    """The workflow, its size and the verdict."""
    last = history.events[-1]
    ended = last.type.removeprefix("WorkflowExecution") if last.type.startswith("WorkflowExecution") else "open"
    head = f"{verdict.workflow} {verdict.version}: {verdict.decisions} decisions, {verdict.events} events, {ended}"
    if verdict.error is None:
        return f"{head}\nsame: this build takes every decision as recorded"
    return f"{head}\n{type(verdict.error).__name__}: {verdict.error}"


def _workflow(arguments: argparse.Namespace, history: History) -> type:
    """The one class to replay with. Raises :class:`builds.NoSuchWorkflows`."""
    known = builds.load(arguments.workflows)
    if arguments.workflow is not None:
        return builds.named(known, arguments.workflow)
    found = definition.by_type(known).get(history.type)
    if found is None:
        raise builds.NoSuchWorkflows(
            f"this build has no workflow {history.type.name} {history.type.version}; "
            "name its module with --workflows, or another workflow of this build with --workflow"
        )
    return found.cls


def _debug(workflow_class: type, history: History, decision: int | None) -> int:
    if decision is not None and not 1 <= decision <= history.decisions:
        print(f"elbflow: there are decisions 1 to {history.decisions}, not {decision}", file=sys.stderr)
        return IMPOSSIBLE
    debugger = debugging.Debugger()
    error = debugging.debug(workflow_class, history, debugger, decision=decision)
    if debugger.quitting:
        print("left before the end")
        return IMPOSSIBLE
    if error is None:
        return SAME
    print(f"{type(error).__name__}: {error}")
    return DIFFERS
