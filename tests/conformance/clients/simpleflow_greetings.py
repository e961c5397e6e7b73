# mypy: ignore-errors
"""A workflow for simpleflow, which runs it: activities, a retry, a timer, a marker, a child, a group."""

from __future__ import annotations

import os
from pathlib import Path

from simpleflow import Workflow, activity, futures
from simpleflow.canvas import Group

TIMEOUTS = {
    "start_to_close_timeout": 60,
    "schedule_to_start_timeout": 60,
    "schedule_to_close_timeout": 120,
    "heartbeat_timeout": 30,
}


@activity.with_attributes(task_list="greetings", version="1", **TIMEOUTS)
def add(left, right):
    return left + right


@activity.with_attributes(task_list="greetings", version="1", retry=1, **TIMEOUTS)
def moody(value):
    """Fails once."""
    seen = Path(os.environ["SCRATCH"]) / "moody"
    if not seen.exists():
        seen.touch()
        raise ValueError("not at the first time")
    return value


class Child(Workflow):
    name = "child"
    version = "1"
    task_list = "greetings"
    execution_timeout = 300
    decision_tasks_timeout = 30

    def run(self, value):
        return self.submit(add, value, 100).result


class Greetings(Workflow):
    name = "greetings"
    version = "1"
    task_list = "greetings"
    execution_timeout = 300
    decision_tasks_timeout = 30
    tag_list = ["first", "second"]  # noqa: RUF012 - simpleflow sends it as it is, and only a list will do

    def run(self, value):
        once = self.submit(add, value, 1)
        twice = self.submit(add, once, 1)
        late = self.submit(moody, 7)
        futures.wait(twice, late)
        futures.wait(self.submit(self.start_timer("pause", 1)))
        self.submit(self.record_marker("mark", {"value": twice.result}))
        child = self.submit(Child, twice.result)
        group = self.submit(Group((add, 1, 2), (add, 3, 4)))
        return [twice.result, late.result, child.result, group.result]
