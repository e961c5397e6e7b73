"""Every event of SWF has a meaning for a workflow, or explicitly none."""

from __future__ import annotations

from typing import Any

import pytest

from elbflow import flow, swf
from elbflow.flow.core import forms, news

NOTHING_TO_DO = {
    "ActivityTaskStarted": "a worker began",
    "CancelTimerFailed": "the timer was faster, as TimerFired says",
    "RequestCancelActivityTaskFailed": "the activity was faster, as its own event says",
    "WorkflowExecutionTimedOut": "nothing is decided any more",
    "WorkflowExecutionTerminated": "nothing is decided any more",
    "LambdaFunctionStarted": "workflows here call no functions",
    "LambdaFunctionCompleted": "workflows here call no functions",
    "LambdaFunctionFailed": "workflows here call no functions",
    "LambdaFunctionTimedOut": "workflows here call no functions",
    "ScheduleLambdaFunctionFailed": "workflows here call no functions",
    "StartLambdaFunctionFailed": "workflows here call no functions",
}
CUT = {"DecisionTaskScheduled", "DecisionTaskStarted", "DecisionTaskCompleted", "DecisionTaskTimedOut"}


def event_types() -> set[str]:
    import json
    import pathlib

    import botocore

    models = pathlib.Path(botocore.__file__).parent / "data" / "swf" / "2012-01-25"
    (found,) = [path for path in models.iterdir() if path.name.startswith("service-2.json")]
    if found.suffix == ".gz":
        import gzip

        text = gzip.decompress(found.read_bytes()).decode()
    else:
        text = found.read_text()
    return set(json.loads(text)["shapes"]["EventType"]["enum"])


def test_each_of_the_54_events_is_an_answer_news_or_nothing() -> None:
    meant = [CUT, set(forms.ANSWERS), set(news.HANDLERS), set(NOTHING_TO_DO)]
    assert sum(map(len, meant)) == 54
    assert set().union(*meant) == event_types()


@pytest.mark.parametrize("kind", sorted(NOTHING_TO_DO))
def test_events_without_meaning_change_nothing(programs: Any, kind: str) -> None:
    async def body(self: Any, number: int) -> int:
        await flow.sleep(5)
        return number

    run = programs.run(body)
    run.decide()
    run.swf.stimulus(kind, {"scheduledEventId": 3, "timerId": "9", "activityId": "9", "cause": "X"})
    assert run.decide().decisions == ()
    assert run.result() == 1


@pytest.mark.parametrize("kind", sorted(event for event in news.HANDLERS if "Child" in event or "External" in event))
def test_news_of_a_stranger_are_a_difference(programs: Any, kind: str) -> None:
    async def body(self: Any, number: int) -> int:
        await flow.sleep(5)
        return number

    run = programs.run(body)
    run.decide()
    run.swf.stimulus(kind, {"initiatedEventId": 3, "workflowExecution": {"workflowId": "x", "runId": "y"}})
    with pytest.raises(flow.NonDeterminism, match="never asked for"):
        run.decide()


def test_events_that_do_not_exist_yet_are_passed_over(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        await flow.sleep(5)
        return number

    run = programs.run(body)
    run.decide()
    run.swf.stimulus("SomethingNew", {})
    assert run.result() == 1
    assert isinstance(run.swf.events[-1], swf.HistoryEvent)
