"""``elbflow workflow``: what the control plane did, read from SWF."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

from elbflow import errors
from elbflow.contract import names
from elbflow_standalone import aws, commands, stack_file, timeline

_WINDOW = timedelta(days=1)


class NoSuchExecution(errors.Permanent):
    """There is no execution of this workflow id."""


def add_to(subparsers: commands.Subparsers) -> None:
    parser = subparsers.add_parser("workflow", help="workflow executions and their timelines, read from SWF")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="executions of the last day, newest first")
    listing.set_defaults(run=run_list)
    show = actions.add_parser("show", help="one execution as a timeline")
    show.add_argument("workflow_id", help="the newest run of this id is shown")
    show.set_defaults(run=run_show)
    for action in (listing, show):
        commands.add_data_dir(action)


def run_list(arguments: argparse.Namespace) -> int:
    for info in _executions(arguments):
        ended = info.get("closeStatus", "OPEN")
        started = f"{info['startTimestamp']:%H:%M:%S}"
        print(f"{started}  {ended:<18}{info['workflowType']['name']:<32}{info['execution']['workflowId']}")
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    found = [info for info in _executions(arguments) if info["execution"]["workflowId"] == arguments.workflow_id]
    if not found:
        raise NoSuchExecution(f"no execution {arguments.workflow_id!r} in the last day; see: elbflow workflow list")
    swf = aws.client(stack_file.load_layout(arguments.data_dir), "swf")
    print(timeline.of_execution(swf, found[0]["execution"]))
    return 0


def _executions(arguments: argparse.Namespace) -> list[aws.Answer]:
    swf = aws.client(stack_file.load_layout(arguments.data_dir), "swf")
    since = {"oldestDate": datetime.now(UTC) - _WINDOW}
    found: list[aws.Answer] = []
    for operation in ("list_open_workflow_executions", "list_closed_workflow_executions"):
        pages = swf.get_paginator(operation).paginate(domain=names.DOMAIN, startTimeFilter=since)
        found += [info for page in pages for info in page["executionInfos"]]
    return sorted(found, key=lambda info: info["startTimestamp"], reverse=True)
