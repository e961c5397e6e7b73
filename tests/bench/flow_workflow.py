"""The workflow of the benchmarks, on our runtime."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tests.bench import flow_history
from tests.bench.flow_history import Activity

from elbflow import flow, swf

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
EXECUTION = swf.Execution(flow_history.WORKFLOW_ID, flow_history.RUN_ID)


@flow.abstract_activity(name="double", version="1", start_to_close=MINUTE)
async def double(number: int) -> int:
    """Twice the number."""


ROUNDS = flow.WorkflowSignature("rounds", "1", int, int, DAY, MINUTE)


@flow.workflow(ROUNDS)
class Rounds:
    """One activity, some at the same time, a timer; over and over."""

    async def run(self, rounds: int) -> int:
        total = 0
        for number in range(rounds):
            total += await double(number)
            total += sum(await asyncio.gather(*(double(one) for one in range(flow_history.FAN))))
            await flow.sleep(1)
        return total


class Dialect:
    """Activities and timers are counted, each for themselves."""

    workflow = ("rounds", "1")

    def __init__(self) -> None:
        self._activities = self._timers = 0

    def start_input(self, rounds: int) -> str:
        return str(rounds)

    def activity(self, number: int) -> Activity:
        self._activities += 1
        return Activity("double", "1", str(self._activities), f"[{number}]", str(2 * number))

    def timer(self) -> str:
        self._timers += 1
        return str(self._timers)
