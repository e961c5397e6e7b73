# ruff: noqa: T201 - a program: what it prints is what it is for
"""Frameworks of others against the engine: simpleflow, botoflow, AWS Flow for Java (spec/swf-semantics 13.16).

    python -m tests.conformance.foreign_clients --simpleflow VENV --botoflow VENV --flow-java DIRECTORY

Each option is left out or names where that framework is already installed: a virtual environment with it, or the
directory of the jars of ``aws-java-sdk-swf-libraries`` 1.x with their dependencies (``java`` and ``javac`` are then
taken from the PATH). Nothing is downloaded. Each runs one workflow of ``clients/`` as its documentation shows it, with
its own decider and worker; the program prints what came of it and fails unless all of them completed as expected.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conformance.engine import served

CLIENTS = Path(__file__).parent / "clients"
ACCOUNT = "123456789012"
DEADLINE_S = 100
HOLD_S = 5.0
"""Frameworks wait for the end of their polls before they stop."""


@dataclass(frozen=True)
class Trial:
    """One framework: its commands, the domain and workflow they use, and the result the workflow must have."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    domain: str
    workflow_id: str | None
    result: Any
    events: frozenset[str]


def simpleflow(venv: Path, _scratch: Path) -> Trial:
    standalone = ("standalone", "-d", "simpleflow", "--workflow-id", "greeting", "--input", '{"args": [40]}')
    workers = ("--nb-deciders", "1", "--nb-workers", "2")
    return Trial(
        name="simpleflow",
        commands=(
            (*aws(), "register-domain", "--name", "simpleflow", "--workflow-execution-retention-period-in-days", "1"),
            (str(venv / "bin" / "simpleflow"), *standalone, *workers, "simpleflow_greetings.Greetings"),
        ),
        domain="simpleflow",
        workflow_id="greeting",
        result=[42, 7, 142, [3, 7]],
        events=frozenset(
            {
                "ActivityTaskFailed",
                "ActivityTaskCompleted",
                "TimerFired",
                "MarkerRecorded",
                "ChildWorkflowExecutionCompleted",
            }
        ),
    )


def botoflow(venv: Path, _scratch: Path) -> Trial:
    return Trial(
        name="botoflow",
        commands=((str(venv / "bin" / "python"), str(CLIENTS / "botoflow_sums.py")),),
        domain="botoflow",
        workflow_id=None,
        result=8,
        events=frozenset({"ActivityTaskCompleted", "TimerFired"}),
    )


def flow_java(jars: Path, scratch: Path) -> Trial:
    path = f"{jars}/*"
    source = str(CLIENTS / "FlowGreeter.java")
    return Trial(
        name="AWS Flow for Java",
        commands=(
            ("javac", "-proc:none", "-nowarn", "-cp", path, "-d", str(scratch), source),
            ("java", "--add-opens", "java.base/java.lang=ALL-UNNAMED", "-cp", f"{path}:{scratch}", "FlowGreeter"),
        ),
        domain="flow",
        workflow_id="greeting",
        result="hello hello you|catch|hello child|nudged",
        events=frozenset(
            {"WorkflowExecutionSignaled", "ActivityTaskFailed", "TimerFired", "ChildWorkflowExecutionCompleted"}
        ),
    )


def aws() -> tuple[str, ...]:
    return sys.executable, "-m", "awscli", "swf"


TRIALS: dict[str, Callable[[Path, Path], Trial]] = {
    "simpleflow": simpleflow,
    "botoflow": botoflow,
    "flow-java": flow_java,
}


def attempt(trial: Trial, url: str, scratch: Path) -> None:
    """Run the commands and check what the engine remembers. Raises on anything unexpected."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "AWS_ENDPOINT_URL_SWF": url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_JAVA_V1_DISABLE_DEPRECATION_ANNOUNCEMENT": "true",
        "HOME": str(scratch),
        "SCRATCH": str(scratch),
        "PYTHONPATH": str(CLIENTS),
    }
    log = scratch / "output"
    for command in trial.commands:
        with log.open("wb") as output:
            done = subprocess.run(command, env=environment, stdout=output, stderr=output, timeout=DEADLINE_S)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[:4])}... ended with {done.returncode}:\n{log.read_text()[-4000:]}")
    check(trial, url)


def check(trial: Trial, url: str) -> None:
    swf = served.client(url, access_key=ACCOUNT)
    pages = swf.get_paginator("list_closed_workflow_executions").paginate(
        domain=trial.domain, startTimeFilter={"oldestDate": 0}
    )
    infos = [info for page in pages for info in page["executionInfos"]]
    unfinished = [info for info in infos if info["closeStatus"] != "COMPLETED"]
    if unfinished:
        raise RuntimeError(f"not completed: {unfinished}")
    ids = {info["execution"]["workflowId"]: info["execution"] for info in infos}
    execution = ids[trial.workflow_id or next(iter(ids))]
    events = list(history(swf, trial.domain, execution))
    missing = trial.events - {event["eventType"] for event in events}
    result = json.loads(events[-1]["workflowExecutionCompletedEventAttributes"]["result"])
    if missing or result != trial.result:
        raise RuntimeError(f"result {result}, wanted {trial.result}; events that did not happen: {sorted(missing)}")
    print(f"{trial.name}: {len(infos)} executions completed, {len(events)} events, result {result}", flush=True)


def history(swf: Any, domain: str, execution: dict[str, str]) -> Iterator[dict[str, Any]]:
    pages = swf.get_paginator("get_workflow_execution_history").paginate(domain=domain, execution=execution)
    for page in pages:
        yield from page["events"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in TRIALS:
        parser.add_argument(f"--{name}", type=Path, metavar="DIRECTORY")
    given = {name: path for name, path in vars(parser.parse_args()).items() if path is not None}
    if not given:
        parser.error("name at least one framework")
    failures = 0
    with (
        tempfile.TemporaryDirectory() as directory,
        served.engine(data_dir=Path(directory) / "engine", hold_s=HOLD_S) as url,
    ):
        for name, path in given.items():
            scratch = Path(directory) / name
            scratch.mkdir()
            began = time.monotonic()
            try:
                attempt(TRIALS[name.replace("_", "-")](path.resolve(), scratch), url, scratch)
            except (RuntimeError, OSError, subprocess.SubprocessError, KeyError, ValueError) as error:
                failures += 1
                print(f"{name}: FAILED after {time.monotonic() - began:.0f} s: {error}", flush=True)
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
