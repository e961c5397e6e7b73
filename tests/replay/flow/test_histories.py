"""Recorded histories are repeated by today's code, in any process."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
from tests.replay.flow.provision import HISTORIES, SCENARIOS, Provision

import elbflow
from elbflow import flow, swf

ROOT = pathlib.Path(__file__).parents[3]
RECORDED = sorted(HISTORIES.glob("*.json"))
EXECUTION = swf.Execution("workflow-1", "run-1")


def test_every_scenario_is_recorded() -> None:
    assert [path.stem for path in RECORDED] == sorted(scenario.__name__ for scenario in SCENARIOS)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_history_is_repeated(path: pathlib.Path) -> None:
    events = flow.parse_history(path.read_text())
    assert events[-1].type.startswith("WorkflowExecution")
    flow.replay(Provision, events, execution=EXECUTION)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_todays_code_takes_the_same_course(scenario: object) -> None:
    assert callable(scenario)
    text = (HISTORIES / f"{scenario.__name__}.json").read_text()  # type: ignore[attr-defined]
    assert tuple(scenario().swf.events) == flow.parse_history(text)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_any_change_of_a_command_is_noticed(path: pathlib.Path) -> None:
    events = list(flow.parse_history(path.read_text()))
    changed = 0
    for index, event in enumerate(events):
        if event.type == "ActivityTaskScheduled":
            other = {**event.attributes, "input": '["changed"]'}
        elif event.type == "TimerStarted":
            other = {**event.attributes, "startToFireTimeout": "31"}
        else:
            continue
        if other == event.attributes:
            continue
        tampered = [
            *events[:index],
            swf.HistoryEvent(event.id, event.type, event.timestamp, other),
            *events[index + 1 :],
        ]
        with pytest.raises(flow.NonDeterminism, match="differs at command"):
            flow.replay(Provision, tampered, execution=EXECUTION)
        changed += 1
    assert changed >= 2


def test_replay_depends_on_nothing_of_the_process() -> None:
    program = (
        "from tests.replay.flow.test_histories import *\n"
        "for path in RECORDED: flow.replay(Provision, flow.parse_history(path.read_text()), execution=EXECUTION)\n"
        "print(len(RECORDED))\n"
    )
    shared = pathlib.Path(elbflow.__file__).parents[1]
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{shared}{os.pathsep}{ROOT}"}
        ran = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=50, check=False
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.strip() == str(len(RECORDED))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"events": [1]}', '{"events": [{"eventType": "x", "eventId": 1}]}'])
def test_what_is_no_history_is_refused(text: str) -> None:
    with pytest.raises(flow.PayloadMismatch):
        flow.parse_history(text)


def test_timestamps_may_be_text() -> None:
    text = '{"events": [{"eventType": "TimerFired", "eventId": 1, "eventTimestamp": "2023-11-14T22:13:20.5+00:00"}]}'
    assert flow.parse_history(text) == (swf.HistoryEvent(1, "TimerFired", 1_700_000_000.5, {}),)
