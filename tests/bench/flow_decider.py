"""A decision worker without a network: tasks are handed to it, answers are kept, and its CPU is taken by itself.

The service answers in memory and never waits, so that the CPU of the thread around one task is the worker's alone:
the decision, the cache and its weighing, guards, metrics. What a client would cost is :mod:`tests.bench.client_cost`.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.bench import flow_history, flow_workflow

from elbflow import flow, swf
from elbflow.swf import parse

TYPE = swf.TypeId(*flow_workflow.Dialect.workflow)
NEVER_AUDITED = 0.0


def recorded(past: int, decisions: int) -> Sequence[swf.HistoryEvent]:
    """A history that has ``past`` events before the last ``decisions`` of it begin."""
    rounds = flow_history.rounds_for(past) + -(-decisions // 3)
    return parse.events({"events": flow_history.history(flow_workflow.Dialect(), rounds)})


class Service:
    """In place of SWF. ``answers`` are the decisions that were responded, in order."""

    def __init__(self, events: Sequence[swf.HistoryEvent] = ()) -> None:
        self.answers: list[Sequence[swf.Decision]] = []
        self._events = events

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **_: Any) -> Any:
            if name == "respond_decision_task_completed":
                self.answers.append(args[1])
            if name == "get_workflow_execution_history":
                raise AssertionError("a run was not in memory")
            return None

        return call


class Lanes:
    """In place of the scheduler: nothing is polled."""

    is_stopping = False
    failure = None

    def add_lane(self, *_: object, **__: object) -> Lanes:
        return self

    async def close(self) -> None:
        return


@asynccontextmanager
async def worker(service: Service, *, remembering: flow.Sticky | None) -> AsyncIterator[flow.DecisionWorker]:
    lanes: Any = Lanes()
    made: Any = service
    async with flow.DecisionWorker(
        made,
        lanes,
        domain="bench",
        task_list=flow_history.TASK_LIST,
        workflows=[flow_workflow.Rounds],
        identity="bench",
        sticky=remembering,
        rng=random.Random(1),
    ) as running:
        yield running


def tasks(
    events: Sequence[swf.HistoryEvent], past: int, *, only_new: bool, run: str = flow_history.RUN_ID
) -> Iterator[swf.DecisionTask]:
    """The decision tasks of a history after ``past`` events; the first brings all of them."""
    previous = 0
    for event in events:
        if event.type == "DecisionTaskStarted" and event.id >= past:
            first = previous - 1 if only_new and previous else 0
            yield swf.DecisionTask(
                token=f"{run}-{event.id}",
                execution=swf.Execution(flow_history.WORKFLOW_ID, run),
                workflow_type=TYPE,
                started_event_id=event.id,
                previous_started_event_id=previous,
                events=tuple(events[first : event.id]),
            )
            previous = event.id


async def cost(running: flow.DecisionWorker, task: swf.DecisionTask, *, on_own_list: bool) -> float:
    """CPU seconds of one decision."""
    began = time.thread_time()
    await running.handle(task, on_own_list=on_own_list)
    return time.thread_time() - began


def remember_all() -> flow.Sticky:
    """As the default, but with room for everything, and no decision is taken twice."""
    return flow.Sticky(bytes=1 << 30, audit_share=NEVER_AUDITED)
