"""Run by test_hash_seeds in processes of its own: prints what a workflow that cancels task groups decides."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from datetime import timedelta
from typing import Any

from elbflow import errors, flow, swf
from elbflow.flow import guards
from elbflow.flow.core import decide
from elbflow.testing import SwfRun


@flow.abstract_activity(name="hold", version="1")
async def hold(name: str) -> None:
    """Never answered."""


SIGNATURE = flow.WorkflowSignature("Cancels", "1", int, int, timedelta(hours=1), timedelta(seconds=60))


@flow.workflow(SIGNATURE)
class Cancels:
    """Cancels a group of tasks, a set of tasks, and what ``wait`` left over."""

    async def run(self, count: int) -> int:
        noise = [bytearray(random_sizes[index % 50]) for index in range(count)]
        with contextlib.suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                for index in range(count):
                    noise.append(bytearray(random_sizes[-index % 50]))
                    group.create_task(hold(f"group-{index}"))
                await flow.sleep(1)
                raise errors.Permanent("enough")
        mine = {asyncio.create_task(hold(f"set-{index}")) for index in range(count)}
        await flow.sleep(1)
        done, pending = await asyncio.wait(mine, timeout=1)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        futures = {asyncio.get_running_loop().create_future() for _ in range(count)}
        await asyncio.gather(*(hold(f"{index}-{hash(future)}") for index, future in enumerate(futures)))
        return len(done) + len(noise)


random_sizes = [random.Random().randrange(8, 4_000) for _ in range(50)]


def main() -> None:
    run = SwfRun(swf.TypeId("Cancels", "1"), "13")
    for _ in range(4):
        history: Any = run.poll()
        with guards.guarded():
            decided = decide.decide(Cancels, history)
        for decision in decided.decisions:
            sys.stdout.write(f"{decision.type} {sorted(decision.attributes.items(), key=str)}\n")
        run.respond(decided.decisions)
        if run.timers:
            run.fire(min(run.timers))
    flow.replay(Cancels, run.events)


if __name__ == "__main__":
    main()
