"""Replays a long history with our runtime, as the programs beside it do with other frameworks.

python -m tests.bench.flow_elbflow_child EVENTS REPETITIONS

Prints the CPU seconds of each replay as JSON: reading SWF's answers, and from what was read to the decisions.
"""

from __future__ import annotations

import gc
import importlib.metadata
import json
import sys
import time

import orjson
from tests.bench import flow_history, flow_workflow

from elbflow.flow import guards
from elbflow.flow.core import decide
from elbflow.swf import parse


def main() -> None:
    rounds = flow_history.rounds_for(int(sys.argv[1]))
    history = flow_history.history(flow_workflow.Dialect(), rounds)
    pages = flow_history.pages(history, flow_workflow.Dialect.workflow)
    reading, deciding = [], []
    for _ in range(int(sys.argv[2])):
        gc.collect()
        began = time.process_time()
        events = [event for page in pages for event in parse.events(orjson.loads(page))]
        read = time.process_time()
        with guards.guarded():
            decided = decide.decide(flow_workflow.Rounds, events, execution=flow_workflow.EXECUTION)
        reading.append(read - began)
        deciding.append(time.process_time() - read)
        if [one.attributes.get("result") for one in decided.decisions] != [str(flow_history.total(rounds))]:
            raise SystemExit(f"did not replay the history: {decided}")
    version = importlib.metadata.version("elbflow")
    print(json.dumps({"events": len(history), "version": version, "reading": reading, "deciding": deciding}))


if __name__ == "__main__":
    main()
