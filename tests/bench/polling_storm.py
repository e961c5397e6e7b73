"""Our own client under storm, in a process of its own: it wants far more of the account than its quota allows.

python -m tests.bench.polling_storm URL --scale 0.25 [--unlimited]

Starts executions ``--per-second`` of the time, whether or not earlier starts have got through, and completes each when
its decision task comes; beside that it parks polls on many task lists. A line on its input is answered with what
happened so far, in JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import logging
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import structlog
import uvloop
from prometheus_client import CollectorRegistry
from tests.bench import engine_flows

from elbflow import polling, swf
from elbflow.tasks import Supervisor

DECISIONS = swf.TaskList(swf.TaskKind.DECISION, engine_flows.DOMAIN, "storm")
WORKFLOW = swf.TypeId(engine_flows.WORKFLOW["name"], engine_flows.WORKFLOW["version"])
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "111122223333", "AWS_SECRET_ACCESS_KEY": "bench"}
STOP_S = 10.0


@dataclass
class Storm:
    """Everything of the storm; ``counts`` are the starts by how they ended."""

    client: swf.Client
    registry: CollectorRegistry
    counts: Counter[str] = field(default_factory=Counter)
    supervisor: Supervisor = field(default_factory=Supervisor)

    async def blow(self, per_s: float) -> None:
        for number in itertools.count():
            self.counts["wanted"] += 1
            self.supervisor.start(self._start(f"storm-{os.getpid()}-{number}"), "start")
            await asyncio.sleep(1.0 / per_s)

    async def _start(self, workflow_id: str) -> None:
        try:
            await self.client.start_workflow_execution(
                engine_flows.DOMAIN,
                workflow_id,
                WORKFLOW,
                task_list=DECISIONS.name,
                decision_timeout=timedelta(seconds=60),
            )
        except swf.Throttled:
            self.counts["given up"] += 1
        else:
            self.counts["started"] += 1

    async def decide(self, task: swf.DecisionTask) -> None:
        decision = swf.Decision("CompleteWorkflowExecution", {"result": "done"})
        await self.client.respond_decision_task_completed(task.token, [decision])
        self.counts["completed"] += 1

    def report(self) -> dict[str, Any]:
        calls: Counter[str] = Counter()
        for metric in self.registry.collect():
            for sample in metric.samples:
                if sample.name == "elbflow_swf_calls_total":
                    calls["throttled" if sample.labels["outcome"] == "throttled" else "served"] += int(sample.value)
        return {**self.counts, **calls}


async def idle(_: swf.ActivityTask) -> None:
    raise AssertionError("nobody schedules activities on these lists")


async def run(options: argparse.Namespace) -> None:
    quotas = None if options.unlimited else swf.QuotaSettings(scale=options.scale)
    profile = polling.EndpointProfile.aws()
    if quotas is not None and (share := quotas.of("PollForDecisionTask")) is not None:
        profile = replace(profile, issue_rate=share.per_s)
    else:
        profile = replace(profile, issue_rate=polling.EndpointProfile.local().issue_rate)
    settings = swf.ClientSettings(
        endpoint_url=options.url, poll_connections=options.lists + 20, data_connections=64, quotas=quotas
    )
    registry = CollectorRegistry()
    async with swf.Client.open(settings, registry=registry) as client:
        storm = Storm(client, registry)
        scheduler = polling.Scheduler(client, profile=profile, identity="storm")
        await scheduler.__aenter__()  # never left: this process is killed, as storms are not over when the figures are
        scheduler.add_lane(DECISIONS, storm.decide, slots=32, max_polls=16)
        for number in range(options.lists):
            quiet = swf.TaskList(swf.TaskKind.ACTIVITY, engine_flows.DOMAIN, f"quiet-{number}")
            scheduler.add_lane(quiet, idle, slots=1)
        blowing = storm.supervisor.start(storm.blow(options.per_second), "storm")
        while await asyncio.to_thread(sys.stdin.readline):
            if blowing.done():
                blowing.result()
            print(json.dumps(storm.report()), flush=True)


@contextlib.contextmanager
def storm(url: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Start one beside the calling process, on the same core; killed with the block."""
    command = [sys.executable, "-m", "tests.bench.polling_storm", url, *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=os.environ | CREDENTIALS) as process:
        try:
            yield process
        finally:
            process.kill()
            process.wait(STOP_S)


def ask(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What happened so far; blocks for an instant. Raises ``RuntimeError`` when the process died."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("report\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("The storm's process died")
    report: dict[str, Any] = json.loads(line)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--per-second", type=float, default=120.0)
    parser.add_argument("--lists", type=int, default=100)
    parser.add_argument("--unlimited", action="store_true")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
