"""Where a workflow waits, and for what: the message for a test whose workflow cannot go on."""

from __future__ import annotations

import asyncio
import linecache
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from elbflow.flow import location
from elbflow.flow.testing.world import Running


def explain(running: Running) -> str:
    """One line per task that waits, with its source, then what SWF has open for the execution."""
    run = running.swf
    head = f"{run.workflow_type.name} ({run.execution.workflow_id}) waits for something that can never come:"
    return "\n".join([head, *_tasks(running), *_open(running)])


def _tasks(running: Running) -> Iterator[str]:
    instance = running.decider.instance
    if instance is None:
        return
    tasks = sorted(asyncio.all_tasks(instance.loop), key=hash)
    for task in tasks:
        line = location.of_task(task)
        if line:
            yield f"  task {task.get_name()} at {line}"
            yield f"      {_source(line)}"


def _open(running: Running) -> Iterator[str]:
    run = running.swf
    for activity in run.activities.values():
        kind = activity.activity_type
        yield f"  activity {kind.name} {activity.input or ''} has no answer, and no timeout is set"
    for child in run.children.values():
        yield f"  child {child.workflow_type.name} ({child.workflow_id}) is open and waits itself"
    for timer in run.timers.values():
        yield f"  a timer fires at {datetime.fromtimestamp(timer.due, UTC)}, later than a test waits"
    if not run.activities and not run.children and not run.timers:
        signals = ", ".join(sorted(running.definition.signals)) or "none"
        yield f"  nothing is open: no activity, timer or child; signals that it takes: {signals}"


def _source(line: str) -> str:
    found = re.fullmatch(r"(.*):(\d+) in .*", line)
    return linecache.getline(found[1], int(found[2])).strip() if found else ""
