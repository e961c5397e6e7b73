"""Closed executions behind the driver: seen while they are kept, then deleted unit by unit (spec/swf-semantics 10)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.engine.wire.conftest import ACCOUNT, DOMAIN, Rig

from elbflow_engine import core

EVER = {"oldestDate": 0}
DEFAULTS = {
    "defaultTaskList": {"name": "brief"},
    "defaultExecutionStartToCloseTimeout": "60",
    "defaultTaskStartToCloseTimeout": "60",
    "defaultChildPolicy": "TERMINATE",
}


async def listed(rig: Rig, domain: str, **params: Any) -> list[str]:
    page = await rig.call("ListClosedWorkflowExecutions", domain=domain, closeTimeFilter=EVER, **params)
    return [info["execution"]["workflowId"] for info in page["executionInfos"]]


async def test_closed_executions_are_found_in_the_journal(rig: Rig) -> None:
    runs = {}
    for name in ("a", "b", "c"):
        runs[name] = await rig.start(name)
        await rig.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId=name)
    assert await listed(rig, DOMAIN, reverseOrder=True) == ["a", "b", "c"]
    first = await rig.call("ListClosedWorkflowExecutions", domain=DOMAIN, closeTimeFilter=EVER, maximumPageSize=2)
    rest = await listed(rig, DOMAIN, maximumPageSize=2, nextPageToken=first["nextPageToken"])
    assert [info["execution"]["workflowId"] for info in first["executionInfos"]] + rest == ["c", "b", "a"]
    count = await rig.call("CountClosedWorkflowExecutions", domain=DOMAIN, startTimeFilter=EVER)
    assert count == {"count": 3, "truncated": False}
    run = {"workflowId": "b", "runId": runs["b"]}
    described = await rig.call("DescribeWorkflowExecution", domain=DOMAIN, execution=run)
    assert described["executionInfo"]["closeStatus"] == "TERMINATED"
    assert (await rig.kinds("b", runs["b"]))[-1] == "WorkflowExecutionTerminated"


async def test_without_retention_executions_are_hidden_at_once_and_deleted_in_units(rig: Rig) -> None:
    assert rig.engine._purging is not None
    await rig.engine._purging.close()  # the units are counted by hand here
    await rig.call("RegisterDomain", name="brief", workflowExecutionRetentionPeriodInDays="NONE")
    await rig.call("RegisterWorkflowType", domain="brief", name="t", version="1", **DEFAULTS)
    started = await rig.call(
        "StartWorkflowExecution", domain="brief", workflowId="w", workflowType={"name": "t", "version": "1"}
    )
    params: dict[str, core.Json] = {"domain": "brief", "taskList": {"name": "brief"}}
    polled = await rig.polls.poll(ACCOUNT, "PollForDecisionTask", params, lambda: True)
    assert polled.started is not None
    assert isinstance(polled.started.result, core.HistoryPage)
    marker = {"decisionType": "RecordMarker", "recordMarkerDecisionAttributes": {"markerName": "m"}}
    end = {"decisionType": "CompleteWorkflowExecution"}
    token = polled.started.result.head["taskToken"]
    await rig.call("RespondDecisionTaskCompleted", taskToken=token, decisions=[marker] * 1200 + [end])
    run = {"workflowId": "w", "runId": started["runId"]}
    for operation in ("DescribeWorkflowExecution", "GetWorkflowExecutionHistory"):
        with pytest.raises(core.Fault, match=r"Unknown execution: WorkflowExecution=\[workflowId=w, runId="):
            await rig.call(operation, domain="brief", execution=run)
    assert await listed(rig, "brief") == []
    execution_id = 1
    left = [len(await rig.book.read(core.Events(execution_id, 1, 5000)))]
    while await rig.engine._purge():
        left.append(len(await rig.book.read(core.Events(execution_id, 1, 5000))))
    assert left == [1205, 706, 207, 0]
    over = await rig.book.read(core.RetentionOver(10**15, 9))
    assert over == core.Expired((), None)
