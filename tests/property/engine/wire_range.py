"""Where requests are shot at: an engine in a thread of its own, furnished so that they can hit something."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import boto3
import botocore.config
import uvloop
from tests.property.engine import wire_values
from tests.property.engine.wire_shooter import PATIENCE_S, Shooter

from elbflow_engine import embedded, histories

HOLD_S = 0.05
LIST = {"name": "main"}
SAMPLE = {"name": "sample", "version": wire_values.VERSION}
TYPE_DEFAULTS = {
    "defaultTaskList": LIST,
    "defaultTaskStartToCloseTimeout": "30",
    "defaultExecutionStartToCloseTimeout": "300",
    "defaultChildPolicy": "TERMINATE",
}
ACTIVITY_DEFAULTS = {
    "defaultTaskList": LIST,
    "defaultTaskScheduleToStartTimeout": "30",
    "defaultTaskScheduleToCloseTimeout": "NONE",
    "defaultTaskStartToCloseTimeout": "30",
    "defaultTaskHeartbeatTimeout": "NONE",
}


@contextlib.contextmanager
def engine() -> Iterator[str]:
    """An engine on a loop of its own, in another thread; yields its URL."""
    url: list[str] = []
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        async with embedded.engine(hold_s=HOLD_S) as endpoint:
            url.append(endpoint)
            ready.set()
            await asyncio.get_running_loop().run_in_executor(None, done.wait)

    thread = threading.Thread(target=lambda: uvloop.run(serve()), name="engine")
    thread.start()
    try:
        assert ready.wait(30), "the engine did not start"
        yield url[0]
    finally:
        done.set()
        thread.join(30)


def client(url: str, account: str) -> Any:
    return boto3.session.Session().client(
        "swf",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=account,
        aws_secret_access_key="x",
        config=botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=PATIENCE_S),
    )


def furnish(swf: Any, shooter: Shooter) -> None:
    """Everything a meaningful request needs, whatever was deprecated, deleted or closed before."""
    for domain in wire_values.DOMAINS:
        with contextlib.suppress(swf.exceptions.ClientError):
            swf.register_domain(name=domain, workflowExecutionRetentionPeriodInDays="1")
        with contextlib.suppress(swf.exceptions.ClientError):
            swf.undeprecate_domain(name=domain)
        for kind, defaults in (("workflow", TYPE_DEFAULTS), ("activity", ACTIVITY_DEFAULTS)):
            with contextlib.suppress(swf.exceptions.ClientError):
                getattr(swf, f"register_{kind}_type")(domain=domain, **SAMPLE, **defaults)
            with contextlib.suppress(swf.exceptions.ClientError):
                getattr(swf, f"undeprecate_{kind}_type")(domain=domain, **{f"{kind}Type": SAMPLE})
    for workflow_id in wire_values.WORKFLOW_IDS:
        with contextlib.suppress(swf.exceptions.ClientError):
            started = swf.start_workflow_execution(domain="house", workflowId=workflow_id, workflowType=SAMPLE)
            shooter.learn(f"run_{workflow_id}", started["runId"])
    _work(swf, shooter)


def _work(swf: Any, shooter: Shooter) -> None:
    """Tasks for the shooter to answer: one decision is made here, what comes next is his."""
    schedule = {"activityId": f"n{time.monotonic_ns()}", "activityType": SAMPLE}
    decision = {"decisionType": "ScheduleActivityTask", "scheduleActivityTaskDecisionAttributes": schedule}
    task = swf.poll_for_decision_task(domain="house", taskList=LIST)
    with contextlib.suppress(swf.exceptions.ClientError):
        swf.respond_decision_task_completed(taskToken=task.get("taskToken", "none"), decisions=[decision])
        swf.signal_workflow_execution(domain="house", workflowId="w0", signalName="s")
    for kind in ("decision", "activity"):
        given = getattr(swf, f"poll_for_{kind}_task")(domain="house", taskList=LIST)
        if "taskToken" in given:
            shooter.learn(kind, given["taskToken"])


def check_histories(swf: Any) -> int:
    """Every history of the account obeys the rules; how many there are."""
    checked = 0
    for domain in wire_values.DOMAINS:
        for state in ("open", "closed"):
            pages = swf.get_paginator(f"list_{state}_workflow_executions")
            for page in pages.paginate(domain=domain, startTimeFilter={"oldestDate": 0}):
                for info in page["executionInfos"]:
                    checked += _check_history(swf, domain, info["execution"])
    return checked


def _check_history(swf: Any, domain: str, execution: dict[str, str]) -> int:
    try:
        pages = list(swf.get_paginator("get_workflow_execution_history").paginate(domain=domain, execution=execution))
    except swf.exceptions.UnknownResourceFault:
        return 0  # its retention was over
    events = [_plain(event) for page in pages for event in page["events"]]
    histories.check(events)
    return 1


def _plain(event: dict[str, Any]) -> dict[str, Any]:
    return event | {"eventTimestamp": event["eventTimestamp"].timestamp()}
