# mypy: ignore-errors
"""A botoflow decider and worker, one step after the other: activities in sequence and in parallel, and a timer."""

from __future__ import annotations

import sys

import botocore.endpoint
from botocore.session import Session

botocore.endpoint.Endpoint.timeout = 70  # botoflow reads an attribute that botocore has dropped since

import botoflow  # noqa: E402
from botoflow import workflow_time  # noqa: E402

REGION, DOMAIN, TASK_LIST, MINUTE_S = "us-east-1", "botoflow", "sums", 60


@botoflow.activities(schedule_to_start_timeout=MINUTE_S, start_to_close_timeout=MINUTE_S)
class Sums:
    @botoflow.activity(version="1.0")
    def add(self, left, right):
        return left + right


class SumWorkflow(botoflow.WorkflowDefinition):
    @botoflow.execute(version="1.0", execution_start_to_close_timeout=5 * MINUTE_S, task_list=TASK_LIST)
    def add_up(self, first, second, third):
        both = yield Sums.add(first, second)
        yield workflow_time.sleep(1)
        left, right = yield Sums.add(both, third), Sums.add(1, 1)
        botoflow.return_(left + right)


def main() -> None:
    """Steps in the order in which their tasks appear; every poll of this engine finds one."""
    Session().create_client("swf", region_name=REGION).register_domain(
        name=DOMAIN, workflowExecutionRetentionPeriodInDays="1"
    )
    decider = botoflow.WorkflowWorker(Session(), REGION, DOMAIN, TASK_LIST, SumWorkflow)
    worker = botoflow.ActivityWorker(Session(), REGION, DOMAIN, TASK_LIST, Sums())
    with botoflow.workflow_starter(Session(), REGION, DOMAIN, TASK_LIST):
        SumWorkflow.add_up(1, 2, 3)
    for step in (decider, worker, decider, decider, worker, worker, decider):
        step.run_once()


if __name__ == "__main__":
    sys.exit(main())
