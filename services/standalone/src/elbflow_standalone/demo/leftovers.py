"""What a deleted load balancer may have left behind: processes, sockets, executions, rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from elbflow import store
from elbflow.contract import document, names
from elbflow_standalone import aws

Condition: TypeAlias = Callable[[], bool]


def haproxies(agent_dir: Path) -> list[int]:
    """Pids of the HAProxys that run for this stack's VMs."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # the process ended meanwhile or is another user's
        if b"haproxy" in command[0] and any(str(agent_dir).encode() in word for word in command):
            found.append(int(entry.name))
    return found


async def accepts(address: str, port: int) -> bool:
    """Whether anything accepts connections there."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), 2.0)
    except OSError:
        return False
    writer.close()
    return True


def open_executions(swf: aws.Client, key: document.LoadBalancerKey) -> list[str]:
    """Workflow ids of the open executions tagged with the load balancer."""
    answer = swf.list_open_workflow_executions(
        domain=names.DOMAIN, startTimeFilter=_last_day(), tagFilter={"tag": names.workflow_tags(key)[1]}
    )
    return [info["execution"]["workflowId"] for info in answer["executionInfos"]]


def closed_executions(swf: aws.Client, key: document.LoadBalancerKey) -> list[aws.Answer]:
    """The closed executions tagged with the load balancer, newest first."""
    answer = swf.list_closed_workflow_executions(
        domain=names.DOMAIN, startTimeFilter=_last_day(), tagFilter={"tag": names.workflow_tags(key)[1]}
    )
    return list(answer["executionInfos"])


async def rows(db: store.Store) -> Mapping[str, int]:
    """Tables that still hold something of a load balancer, with how many rows."""
    async with db.reading() as tx:
        counts = await tx.row_counts()
        counts["cloud_resources"] -= len(await tx.cloud_resources.of_kind(names.IAM_AUTHORITY))
    identities = {"access_keys", "accounts", "principal_policies", "principals", "server_certificates"}
    own = {*identities, "datapoints", "instances"}
    return {name: count for name, count in counts.items() if count and name not in own}


def _last_day() -> dict[str, datetime]:
    return {"oldestDate": datetime.now(UTC) - timedelta(days=1)}
