# mypy: ignore-errors
"""Replays a long history with botoflow, in an interpreter that has it; see :mod:`tests.bench.flow_replay`.

python flow_botoflow_child.py EVENTS REPETITIONS

Prints the CPU seconds of each replay as JSON: reading SWF's answers with botocore, and from there to the decisions.
"""

from __future__ import annotations

import gc
import importlib.metadata
import json
import sys
import time

import botocore.endpoint
from botocore.parsers import create_parser
from botocore.session import Session

botocore.endpoint.Endpoint.timeout = 70  # botoflow reads an attribute that botocore has dropped since

import botoflow  # noqa: E402
from botoflow import workflow_time  # noqa: E402
from botoflow.data_converter import JSONDataConverter  # noqa: E402
from botoflow.decider import Decider  # noqa: E402
from botoflow.utils import extract_workflows_dict  # noqa: E402

import flow_history  # noqa: E402  # isort: skip

converter = JSONDataConverter()


@botoflow.activities(schedule_to_start_timeout=60, start_to_close_timeout=60)
class Numbers:
    @botoflow.activity(version="1")
    def double(self, number):
        return 2 * number


class Rounds(botoflow.WorkflowDefinition):
    @botoflow.execute(version="1", execution_start_to_close_timeout=86_400, task_list=flow_history.TASK_LIST)
    def run_rounds(self, rounds):
        total = 0
        for number in range(rounds):
            total += yield Numbers.double(number)
            total += sum((yield tuple(Numbers.double(one) for one in range(flow_history.FAN))))
            yield workflow_time.sleep(1)
        botoflow.return_(total)


class Dialect:
    """Activities and timers draw their ids from one counter."""

    workflow = ("Rounds", "1")

    def __init__(self):
        self._ids = 0

    def start_input(self, rounds):
        return converter.dumps([(rounds,), {}])

    def activity(self, number):
        text = converter.dumps([(number,), {}])
        return flow_history.Activity("Numbers.double", "1", self._next(), text, converter.dumps(2 * number))

    def timer(self):
        return self._next()

    def _next(self):
        self._ids += 1
        return str(self._ids)


class Service:
    """In place of SWF: hands out one decision task over and over, page by page, and keeps the last answer."""

    def __init__(self, pages):
        self.answered = None
        self.reading = 0.0
        self._pages = pages
        self._shape = Session().get_service_model("swf").operation_model("PollForDecisionTask").output_shape
        self._parser = create_parser("json")

    @property
    def client(self):
        return self

    def poll_for_decision_task(self, nextPageToken=0, **_):  # noqa: N803 - as botocore spells it
        began = time.process_time()
        body = {"body": self._pages[int(nextPageToken)], "headers": {}, "status_code": 200}
        page = self._parser.parse(body, self._shape)
        self.reading += time.process_time() - began
        return page

    def respond_decision_task_completed(self, **answer):
        self.answered = answer


def main():
    rounds = flow_history.rounds_for(int(sys.argv[1]))
    history = flow_history.history(Dialect(), rounds)
    service = Service(flow_history.pages(history, Dialect.workflow))
    workflows = extract_workflows_dict([Rounds])
    decider = Decider(service, "domain", flow_history.TASK_LIST, lambda name, version: workflows[name, version], "me")
    reading, deciding = [], []
    for _ in range(int(sys.argv[2])):
        service.reading = 0.0
        gc.collect()
        began = time.process_time()
        decider.decide()
        deciding.append(time.process_time() - began - service.reading)
        reading.append(service.reading)
        (decision,) = service.answered["decisions"]
        result = decision["completeWorkflowExecutionDecisionAttributes"]["result"]
        if converter.loads(result) != flow_history.total(rounds):
            raise SystemExit(f"botoflow did not replay the history: {decision}")
    version = importlib.metadata.version("botoflow")
    print(json.dumps({"events": len(history), "version": version, "reading": reading, "deciding": deciding}))


if __name__ == "__main__":
    main()
