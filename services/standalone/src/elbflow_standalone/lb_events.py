"""What was done to a load balancer: its workflow executions, read from SWF."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from elbflow import flow
from elbflow.contract import document, names, workflows
from elbflow.flow import failures
from elbflow_standalone import aws

_WINDOW = timedelta(days=names.RETENTION_DAYS)
_RESULT, _FAILURE = "WorkflowExecutionCompleted", "WorkflowExecutionFailed"
_SUCCESS, _FAILED, _OPEN = "success", "failed", "open"


@dataclass(frozen=True, slots=True)
class Event:
    """One execution; ``ended`` is None while it is open."""

    workflow: str
    workflow_id: str
    run_id: str
    started: datetime
    ended: datetime | None
    outcome: str
    reason: str

    def as_json(self) -> dict[str, object]:
        return {
            "workflow": self.workflow,
            "workflow_id": self.workflow_id,
            "run_id": self.run_id,
            "started": self.started.isoformat(),
            "ended": self.ended.isoformat() if self.ended else None,
            "outcome": self.outcome,
            "reason": self.reason,
        }


def of_load_balancer(swf: aws.Client, key: document.LoadBalancerKey, limit: int) -> list[Event]:
    """The newest ``limit`` executions of a load balancer, newest first; also of one that exists no longer.

    SWF forgets closed executions after the domain's retention period. One request is made for each closed execution.
    """
    tags = set(names.workflow_tags(key))
    infos = [info for info in _infos(swf, key) if tags <= set(info.get("tagList", ()))]
    infos.sort(key=lambda info: info["startTimestamp"], reverse=True)
    return [_event(swf, info) for info in itertools.islice(infos, limit)]


def _infos(swf: aws.Client, key: document.LoadBalancerKey) -> Iterator[aws.Answer]:
    asked = {
        "domain": names.DOMAIN,
        "startTimeFilter": {"oldestDate": datetime.now(UTC) - _WINDOW},
        "tagFilter": {"tag": names.workflow_tags(key)[1]},
    }
    for operation in ("list_open_workflow_executions", "list_closed_workflow_executions"):
        for page in swf.get_paginator(operation).paginate(**asked):
            yield from page["executionInfos"]


def _event(swf: aws.Client, info: aws.Answer) -> Event:
    outcome, reason = (_OPEN, "") if info["executionStatus"] == "OPEN" else _ending(swf, info)
    return Event(
        workflow=info["workflowType"]["name"],
        workflow_id=info["execution"]["workflowId"],
        run_id=info["execution"]["runId"],
        started=info["startTimestamp"],
        ended=info.get("closeTimestamp"),
        outcome=outcome,
        reason=reason,
    )


def _ending(swf: aws.Client, info: aws.Answer) -> tuple[str, str]:
    """How a closed execution ended: what the workflow itself says of its outcome, or else how SWF closed it."""
    try:
        history = swf.get_workflow_execution_history(
            domain=names.DOMAIN, execution=info["execution"], reverseOrder=True, maximumPageSize=1
        )
    except swf.exceptions.UnknownResourceFault:  # It was deleted since it was listed.
        return str(info["closeStatus"]).lower(), ""
    last = history["events"][0]
    kind = last["eventType"]
    told = last.get(f"{kind[0].lower()}{kind[1:]}EventAttributes", {})
    outcome = _outcome(told.get("result")) if kind == _RESULT else None
    if outcome is not None:
        succeeded = outcome.state is workflows.OutcomeState.SUCCESS
        return (_SUCCESS if succeeded else _FAILED), outcome.reason
    closed = str(info["closeStatus"]).lower().replace("_", " ")
    if kind == _FAILURE:
        error, message, _ = failures.read(told.get("reason"), told.get("details"))
        return closed, f"{error}: {message}"
    parts = (told.get("reason") or told.get("cause") or told.get("timeoutType"), told.get("details"))
    return (_SUCCESS if closed == "completed" else closed), ": ".join(part for part in parts if part)


def _outcome(result: str | None) -> workflows.Outcome | None:
    """What the workflow answered, when it answers outcomes."""
    try:
        return flow.decode(result, workflows.Outcome)
    except flow.PayloadMismatch:
        return None
