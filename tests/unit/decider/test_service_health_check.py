"""PerformServiceHealthCheck: one chain a minute, whatever fails."""

from __future__ import annotations

import pytest
from tests.unit.decider.fakes import Fakes, fail

from elbflow import flow
from elbflow.contract import activities, workflows
from elbflow_decider.workflows import PerformServiceHealthCheck

CHAIN = [
    "run_continuous_workflows",
    "check_vms",
    "check_backends",
    "put_cloudwatch_instance_health",
    "cleanup_vms",
    "recycle_failed_vms",
]
REQUEST = workflows.ServiceHealthInput(60.0)


def test_ten_rounds_a_minute_apart_then_it_continues_as_new(fakes: Fakes) -> None:
    run = fakes.run(PerformServiceHealthCheck, REQUEST)
    begun = run.swf.now

    run.run()

    assert fakes.log == CHAIN * 10
    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"
    assert run.swf.now - begun == pytest.approx(600, abs=20)
    assert flow.decode(str(run.swf.close_event.attributes["input"]), workflows.ServiceHealthInput) == REQUEST


def test_a_failing_step_stops_neither_the_others_nor_the_rounds(fakes: Fakes) -> None:
    fakes.on(activities.check_vms, fail(ConnectionError("host down")))
    run = fakes.run(PerformServiceHealthCheck, REQUEST)

    run.run()

    assert fakes.log == CHAIN * 10
    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"


def test_a_slow_round_shortens_the_pause(fakes: Fakes) -> None:
    fakes.on(activities.check_backends, lambda: run.swf.advance(45))
    run = fakes.run(PerformServiceHealthCheck, REQUEST)
    begun = run.swf.now

    run.run(until=lambda: fakes.times(activities.run_continuous_workflows) == 3)

    assert run.swf.now - begun == pytest.approx(120, abs=5)
