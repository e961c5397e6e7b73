"""A workflow to look at: an activity that works, one that fails, a timer, a child, a marker, signals."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.integration.engine import rig

ACCOUNT = "000000000000"
"""Who calls an engine that believes everybody and does not say."""
HOSTILE = '<script>window.pwned = 1</script><img src=x onerror="window.pwned = 1">\'"`{{ 7 * 7 }}\u202egnp.exe'


@dataclass(frozen=True)
class Order:
    workflow_id: str
    run_id: str

    def address(self, page: str = "execution", **more: object) -> str:
        names = {"account": ACCOUNT, "domain": rig.DOMAIN, "workflow": self.workflow_id, "run": self.run_id}
        return f"/console/{page}?{urlencode(names | more)}"


def domain_address(page: str, **more: object) -> str:
    return f"/console/{page}?{urlencode({'account': ACCOUNT, 'domain': rig.DOMAIN} | more)}"


def activity(activity_id: str, **more: Any) -> dict[str, Any]:
    attributes = {"activityType": {"name": "hello", "version": "1"}, "activityId": activity_id, **more}
    return {"decisionType": "ScheduleActivityTask", "scheduleActivityTaskDecisionAttributes": attributes}


def decision(kind: str, **attributes: Any) -> dict[str, Any]:
    return {"decisionType": kind, f"{kind[0].lower()}{kind[1:]}DecisionAttributes": attributes}


async def decide(wire: rig.Wire, *decisions: dict[str, Any]) -> None:
    task = await wire.poll_decision(identity="decider-1")
    await wire.decide(task["taskToken"], *decisions)


async def work(wire: rig.Wire, how: str, **answer: Any) -> None:
    task = await wire.ok("PollForActivityTask", domain=rig.DOMAIN, taskList={"name": "workers"}, identity="worker-1")
    await wire.ok(f"RespondActivityTask{how}", taskToken=task["taskToken"], **answer)


async def order(wire: rig.Wire, workflow_id: str = "order-1") -> Order:
    items = json.dumps({"customer": {"name": "Ada"}, "items": list(range(60))})
    run_id = await wire.start(workflow_id, input=items, tagList=["blue", "vip"])
    await decide(
        wire,
        activity("works", input='{"amount":12}'),
        activity("fails", control=HOSTILE),
        decision("StartTimer", timerId="patience", startToFireTimeout="3600"),
        decision("RecordMarker", markerName="checked"),
        decision("StartChildWorkflowExecution", workflowId=f"{workflow_id}-child", workflowType=rig.TYPE),
        decision("ScheduleActivityTask", activityType={"name": "none", "version": "1"}, activityId="no"),
    )
    await work(wire, "Completed", result='{"paid":true}')
    await work(wire, "Failed", reason="declined", details=HOSTILE)
    await wire.ok(
        "SignalWorkflowExecution", domain=rig.DOMAIN, workflowId=workflow_id, signalName="hurry", input=HOSTILE
    )
    await wire.ok("RequestCancelWorkflowExecution", domain=rig.DOMAIN, workflowId=workflow_id)
    return Order(workflow_id, run_id)
