"""Activities that a load-balancer VM carries out; the task list is its instance id (spec/elb-control-plane 6.1).

The edge-triggered form of design section 6: a call that waits for news holds the activity open and heartbeats, so
the heartbeat doubles as the VM's lease and nothing is polled.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from elbflow import flow
from elbflow.contract import transport
from elbflow.contract.document import Applied, HealthReport, LoadBalancerDocument, MetricsReport

_LEASE = timedelta(seconds=90)


@flow.abstract_activity(
    name="LoadBalancingVmActivities.setLoadBalancer",
    version="1.0",
    schedule_to_start=timedelta(seconds=60),
    start_to_close=timedelta(seconds=30),
    schedule_to_close=timedelta(seconds=90),
)
async def set_load_balancer(document: LoadBalancerDocument) -> Applied:
    """Make HAProxy serve ``document`` and answer with what it really serves.

    A document older than the one in force is answered with the one in force. Problems of single listeners are
    reported in the answer; a document that cannot be applied at all fails the activity and changes nothing.
    """


@flow.abstract_activity(
    name="LoadBalancingVmActivities.setLoadBalancerPart",
    version="1.0",
    schedule_to_start=timedelta(seconds=60),
    start_to_close=timedelta(seconds=30),
    schedule_to_close=timedelta(seconds=90),
)
async def set_load_balancer_part(part: transport.Part) -> Applied | None:
    """Keep ``part``; with the last one serve the document that they make, as :func:`set_load_balancer` does.

    None until then. A VM that lacks parts at the end, because it was restarted, fails: all have to be sent again.
    """


@flow.abstract_activity(
    name="LoadBalancingVmActivities.getInstanceStatus",
    version="1.0",
    schedule_to_start=timedelta(seconds=60),
    start_to_close=timedelta(hours=1),
    heartbeat=_LEASE,
)
async def get_instance_status(known_digest: str) -> HealthReport:
    """Return as soon as the VM's health report differs from ``known_digest``, at the latest after 45 minutes."""


@flow.abstract_activity(
    name="LoadBalancingVmActivities.getCloudWatchMetrics",
    version="1.0",
    schedule_to_start=timedelta(seconds=60),
    start_to_close=timedelta(minutes=7),
    heartbeat=None,
)
async def get_cloudwatch_metrics(period_s: float, acknowledge: int) -> MetricsReport:
    """Drop what report ``acknowledge`` held, collect for ``period_s`` seconds and return the counts.

    While there are none, collect on, up to four periods: an idle VM costs few calls and still gives signs of life.
    """


ALL: tuple[flow.Activity[..., Any], ...] = (
    set_load_balancer,
    set_load_balancer_part,
    get_instance_status,
    get_cloudwatch_metrics,
)
