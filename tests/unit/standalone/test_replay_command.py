"""``elbflow replay``: verdicts, exit statuses, and the debugger in workflow code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from elbflow_decider.workflows import CreateLoadBalancerListeners
from elbflow_standalone import __main__ as command
from elbflow_standalone import builds

RECORDED = Path(__file__).parents[2] / "replay" / "histories" / "CreateLoadBalancerListeners" / "succeeds.json"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A history in which the second activity after the check has another id than this build gives it."""
    text = RECORDED.read_text()
    changed = text.replace('"activityId": "3"', '"activityId": "33"')
    assert changed != text
    path = tmp_path / "other.json"
    path.write_text(changed)
    return path


def test_the_same_course(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["replay", str(RECORDED)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "CreateLoadBalancerListeners 1.0: 5 decisions, 29 events, Completed"
    assert second == "same: this build takes every decision as recorded"


def test_another_course_is_shown_in_two_columns_with_its_line(other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["replay", str(other)]) == 1
    shown = capsys.readouterr().out
    assert "recorded in history" in shown
    assert "replayed by the code" in shown
    assert "workflows/steps.py:" in shown


@pytest.mark.parametrize("text", ["{", "{}", '{"events": []}', '{"events": [{"eventId": 1}]}'])
def test_what_is_no_history(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    assert command.main(["replay", str(path)]) == 2
    assert "not a" in capsys.readouterr().err


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["replay", str(tmp_path / "none.json")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_a_workflow_that_this_build_does_not_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "old.json"
    path.write_text(RECORDED.read_text().replace('"version": "1.0"', '"version": "0.9"', 1))
    assert command.main(["replay", str(path)]) == 2
    assert "this build has no workflow CreateLoadBalancerListeners 0.9" in capsys.readouterr().err
    assert command.main(["replay", str(path), "--workflow", "CreateLoadBalancerListeners"]) == 0


def test_workflows_are_named_by_their_module(capsys: pytest.CaptureFixture[str]) -> None:
    place = "elbflow_decider.workflows.create_listeners"
    assert command.main(["replay", str(RECORDED), "--workflows", place]) == 0
    assert command.main(["replay", str(RECORDED), "--workflows", f"{place}:CreateLoadBalancerListeners"]) == 0
    assert command.main(["replay", str(RECORDED), "--workflows", "elbflow_decider.settings"]) == 2
    assert command.main(["replay", str(RECORDED), "--workflows", "no_such_module"]) == 2
    shown = capsys.readouterr().err
    assert "no class there is decorated" in shown
    assert "No module named 'no_such_module'" in shown


def test_a_workflow_is_named_by_its_class_or_type() -> None:
    classes = builds.load(["elbflow_decider.workflows:ALL"])
    assert builds.named(classes, "CreateLoadBalancerListeners") is CreateLoadBalancerListeners
    with pytest.raises(
        builds.NoSuchWorkflows,
        match=r"0 workflows of this build are called Nobody; there are ApplySecurityGroups, Create",
    ):
        builds.named(classes, "Nobody")


# --- the debugger --------------------------------------------------------------------------------------------------


def at_the_terminal(line: list[str], said: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, with ``said`` typed into it."""
    return subprocess.run(
        [sys.executable, "-m", "elbflow_standalone", "replay", *line],
        input=said,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_it_stops_in_the_decision_that_differs_and_where_it_does(other: Path, tmp_path: Path) -> None:
    ran = at_the_terminal([str(other), "--break"], "c\np ports\nc\n", tmp_path)
    assert "decision 2, event" in ran.stdout
    assert "«c» goes on to" in ran.stdout
    assert "-> opened = await activities.listener_authorize_ingress(key, ports)" in ran.stdout
    assert "(80, 443)" in ran.stdout
    assert "replayed by the code" in ran.stdout
    assert ran.returncode == 1


def test_a_decision_may_be_chosen_and_the_clock_read_there(tmp_path: Path) -> None:
    said = "import time\np time.time() > 0\nn\nc\n"
    ran = at_the_terminal([str(RECORDED), "--break", "1"], said, tmp_path)
    assert "decision 1, event 3; it heard of: 1 WorkflowExecutionStarted" in ran.stdout
    assert "create_listeners.py" in ran.stdout
    assert "True" in ran.stdout
    assert ran.returncode == 0


def test_who_leaves_early_gets_no_verdict(tmp_path: Path) -> None:
    ran = at_the_terminal([str(RECORDED), "--break"], "q\n", tmp_path)
    assert "left before the end" in ran.stdout
    assert ran.returncode == 2


def test_there_is_no_such_decision(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["replay", str(RECORDED), "--break", "99"]) == 2
    assert "decisions 1 to 5, not 99" in capsys.readouterr().err


WITH_BREAKPOINT = """
from datetime import timedelta
from elbflow import flow
from elbflow.contract import workflows

@flow.workflow(workflows.CREATE_LISTENERS)
class Debugged:
    async def run(self, request: workflows.ListenersInput) -> workflows.Outcome:
        answer = 6 * 7
        breakpoint()
        return workflows.Outcome(workflows.OutcomeState.SUCCESS)
"""


def test_breakpoint_works_in_workflow_code(tmp_path: Path) -> None:
    (tmp_path / "under_test.py").write_text(WITH_BREAKPOINT)
    line = [str(RECORDED), "--workflows", "under_test"]
    ran = at_the_terminal(line, "p answer\nc\n", tmp_path)
    assert "42" in ran.stdout
    assert "under_test.py" in ran.stdout
    assert "NonDeterminism" in ran.stdout
    assert ran.returncode == 1
