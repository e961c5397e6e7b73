"""aiobotocore with default settings: faults by class, paginators, many parked polls at once (13.16)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiobotocore import session
from tests.conformance.engine import served
from tests.conformance.engine.served import DOMAIN, LIST, TYPE


def client(url: str) -> Any:
    return session.get_session().create_client(
        "swf",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="999988887777",
        aws_secret_access_key="x",
    )


async def furnish(swf: Any) -> None:
    await swf.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    await swf.register_workflow_type(domain=DOMAIN, **TYPE, **served.WORKFLOW_DEFAULTS)


async def test_a_whole_execution_faults_and_paginators(endpoint: str) -> None:
    async with client(endpoint) as swf:
        await furnish(swf)
        polling = [
            asyncio.create_task(swf.poll_for_decision_task(domain=DOMAIN, taskList=LIST, identity=str(n)))
            for n in range(8)
        ]
        await asyncio.sleep(0.1)
        names = [f"w{number}" for number in range(5)]
        for name in names:
            await swf.start_workflow_execution(domain=DOMAIN, workflowId=name, workflowType=TYPE)
        with pytest.raises(swf.exceptions.WorkflowExecutionAlreadyStartedFault, match="Already Started"):
            await swf.start_workflow_execution(domain=DOMAIN, workflowId="w0", workflowType=TYPE)
        tasks = [task for task in await asyncio.gather(*polling) if "taskToken" in task]
        assert sorted(task["workflowExecution"]["workflowId"] for task in tasks) == names
        for task in tasks:
            await swf.respond_decision_task_completed(
                taskToken=task["taskToken"], decisions=[{"decisionType": "CompleteWorkflowExecution"}]
            )
        paginator = swf.get_paginator("list_closed_workflow_executions")
        pages = paginator.paginate(domain=DOMAIN, closeTimeFilter={"oldestDate": 0}, PaginationConfig={"PageSize": 2})
        closed = [info["execution"]["workflowId"] async for page in pages for info in page["executionInfos"]]
        assert sorted(closed) == names
        with pytest.raises(swf.exceptions.UnknownResourceFault, match=r"Unknown decision task|Unknown execution"):
            await swf.respond_decision_task_completed(taskToken=tasks[0]["taskToken"])
