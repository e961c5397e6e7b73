# mypy: ignore-errors
"""Replays a long history with simpleflow, in an interpreter that has it; see :mod:`tests.bench.flow_replay`.

python flow_simpleflow_child.py EVENTS REPETITIONS

Prints the CPU seconds of each replay as JSON: reading SWF's answers with botocore, and from there to the decisions.
"""

from __future__ import annotations

import gc
import importlib.metadata
import json
import logging
import sys
import time
import types

import flow_history
from botocore.parsers import create_parser
from botocore.session import Session
from simpleflow import Workflow, activity, futures
from simpleflow.swf.executor import Executor
from simpleflow.swf.mapper.models.domain import Domain
from simpleflow.swf.mapper.models.history import History
from simpleflow.swf.mapper.models.workflow import WorkflowExecution, WorkflowType


@activity.with_attributes(
    name="double",
    task_list=flow_history.TASK_LIST,
    version="1",
    start_to_close_timeout=60,
    schedule_to_start_timeout=60,
    schedule_to_close_timeout=120,
    heartbeat_timeout=30,
)
def double(number):
    return 2 * number


class Rounds(Workflow):
    name = "rounds"
    version = "1"
    task_list = flow_history.TASK_LIST
    execution_timeout = 86_400
    decision_tasks_timeout = 60

    def run(self, rounds):
        total = 0
        for number in range(rounds):
            total += self.submit(double, number).result
            fan = [self.submit(double, one) for one in range(flow_history.FAN)]
            futures.wait(*fan)
            total += sum(one.result for one in fan)
            futures.wait(self.submit(self.start_timer(f"pause-{number}", 1)))
        return total


class Dialect:
    """Calls of an activity are counted; timers are named by the workflow."""

    workflow = ("rounds", "1")

    def __init__(self):
        self._activities = self._timers = 0

    def start_input(self, rounds):
        return json.dumps({"args": [rounds], "kwargs": {}})

    def activity(self, number):
        self._activities += 1
        text = json.dumps({"args": [number], "kwargs": {}})
        return flow_history.Activity("double", "1", f"activity-double-{self._activities}", text, json.dumps(2 * number))

    def timer(self):
        self._timers += 1
        return f"pause-{self._timers - 1}"


def main():
    logging.disable(logging.CRITICAL)
    rounds = flow_history.rounds_for(int(sys.argv[1]))
    history = flow_history.history(Dialect(), rounds)
    pages = flow_history.pages(history, Dialect.workflow)
    shape = Session().get_service_model("swf").operation_model("PollForDecisionTask").output_shape
    parser = create_parser("json")
    domain = Domain("domain")
    execution = WorkflowExecution(
        domain, flow_history.WORKFLOW_ID, run_id=flow_history.RUN_ID, workflow_type=WorkflowType(domain, "rounds", "1")
    )
    executor = Executor(domain, Rounds, flow_history.TASK_LIST)
    reading, deciding = [], []
    for _ in range(int(sys.argv[2])):
        gc.collect()
        began = time.process_time()
        answers = [parser.parse({"body": page, "headers": {}, "status_code": 200}, shape) for page in pages]
        events = [event for answer in answers for event in answer["events"]]
        read = time.process_time()
        decided = executor.replay(types.SimpleNamespace(history=History.from_event_list(events), execution=execution))
        reading.append(read - began)
        deciding.append(time.process_time() - read)
        (decision,) = decided.decisions
        result = decision["completeWorkflowExecutionDecisionAttributes"]["result"]
        if json.loads(result) != flow_history.total(rounds):
            raise SystemExit(f"simpleflow did not replay the history: {decision}")
    version = importlib.metadata.version("simpleflow")
    print(json.dumps({"events": len(history), "version": version, "reading": reading, "deciding": deciding}))


if __name__ == "__main__":
    main()
