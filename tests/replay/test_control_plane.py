"""Every workflow of the control plane goes on with what was recorded of it, in any process."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
from tests.replay import record

from elbflow import flow
from elbflow.flow import definition
from elbflow.flow.recordings import format_history, read_history
from elbflow.flow.replaying import judge
from elbflow_decider import workflows
from elbflow_engine import histories

ROOT = pathlib.Path(__file__).parents[2]
RECORDED = sorted(record.HISTORIES.glob("*/*.json"))
CLASSES = {one.__name__: one for one in workflows.ALL}
GOOD = ("WorkflowExecutionCompleted", "WorkflowExecutionContinuedAsNew")
BAD = ("WorkflowExecutionFailed", "WorkflowExecutionCanceled", "WorkflowExecutionTerminated")


def case(path: pathlib.Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def test_every_case_is_recorded() -> None:
    wanted = {f"{workflow.__name__}/{name}" for workflow, cases in record.CASES.items() for name in cases}
    assert {f"{path.parent.name}/{record.case_of(path)}" for path in RECORDED} == wanted


@pytest.mark.parametrize("workflow", workflows.ALL, ids=lambda one: one.__name__)
def test_every_workflow_is_recorded_in_success_and_in_trouble(workflow: type) -> None:
    ends = [read_history(path.read_text()).events[-1] for path in RECORDED if path.parent.name == workflow.__name__]
    results = [str(end.attributes.get("result")) for end in ends]
    assert any(end.type in GOOD and "FAILED" not in result for end, result in zip(ends, results, strict=True))
    assert any(end.type in BAD or "WORKFLOW_FAILED" in result for end, result in zip(ends, results, strict=True))


@pytest.mark.parametrize("path", RECORDED, ids=case)
def test_recordings_are_whole_correct_histories(path: pathlib.Path) -> None:
    histories.check(json.loads(path.read_text())["events"])
    history = read_history(path.read_text())
    assert history.type == definition.definition(CLASSES[path.parent.name]).type
    again = read_history(format_history(history.execution, history.events))
    assert again == history


def test_all_are_replayed_under_three_hash_seeds() -> None:
    program = (
        "import sys; from elbflow import flow; from elbflow_decider import workflows\n"
        "report = flow.replay_histories(workflows.ALL, sys.argv[1]); print(report); sys.exit(not report.ok)"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(record.HISTORIES)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)])},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("0", "1", "4242")
    ]
    for process in running:
        said, _ = process.communicate(timeout=50)
        assert process.returncode == 0, said
        assert said.startswith(f"{len(RECORDED)} of {len(RECORDED)} histories are replayed as recorded")


@pytest.mark.parametrize("workflow", workflows.ALL, ids=lambda one: one.__name__)
def test_another_order_of_activities_would_be_noticed(workflow: type) -> None:
    path = next(path for path in RECORDED if path.parent.name == workflow.__name__)
    events = list(read_history(path.read_text()).events)
    index = next(index for index, event in enumerate(events) if event.type == "ActivityTaskScheduled")
    other = {**events[index].attributes, "activityType": {"name": "another", "version": "1"}}
    events[index] = events[index]._replace(attributes=other)
    tampered = read_history(format_history(read_history(path.read_text()).execution, events))

    verdict = judge(workflow, tampered, "tampered")

    assert isinstance(verdict.error, flow.NonDeterminism)
    assert "another/1" in str(verdict.error)
    assert f"{workflow.__name__}" in str(verdict.error) or "workflows/" in str(verdict.error)
