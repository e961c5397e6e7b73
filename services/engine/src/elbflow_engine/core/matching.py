"""Task lists: ready tasks by priority, then in the order they became pollable; parked polls in order of arrival.

Handing out costs O(log n), leaving a queue O(1), waiting nothing (spec/swf-semantics 4, swf-long-poll-scale 6.3).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from elbflow_engine.core import api

_SLACK = 64  # withdrawn tasks a queue may keep before it is rebuilt


class ListKey(NamedTuple):
    """One task list; the two kinds are independent name spaces."""

    account: str
    domain: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Waiter:
    """One parked poll, with the arguments its answer will need."""

    id: int
    key: ListKey
    params: api.Object = field(repr=False)


@dataclass(slots=True)
class _Queue:
    heap: list[tuple[int, int, api.TaskRef]] = field(default_factory=list)
    ready: set[api.TaskRef] = field(default_factory=set)
    waiters: dict[int, Waiter] = field(default_factory=dict)


class Matching:
    """All task lists. Lists exist only while they hold a task or a poll."""

    def __init__(self) -> None:
        self._queues: dict[ListKey, _Queue] = {}
        self._key_of_task: dict[api.TaskRef, ListKey] = {}
        self._key_of_waiter: dict[int, ListKey] = {}

    @property
    def parked(self) -> int:
        return len(self._key_of_waiter)

    def offer(self, key: ListKey, task: api.TaskRef, priority: int, sequence: int) -> None:
        """Make a task pollable."""
        queue = self._queues.setdefault(key, _Queue())
        heapq.heappush(queue.heap, (-priority, sequence, task))
        queue.ready.add(task)
        self._key_of_task[task] = key

    def withdraw(self, task: api.TaskRef) -> None:
        """The task is no longer pollable, if it ever was."""
        key = self._key_of_task.pop(task, None)
        if key is not None:
            queue = self._queues[key]
            queue.ready.discard(task)
            if len(queue.heap) > 2 * len(queue.ready) + _SLACK:
                queue.heap = [entry for entry in queue.heap if entry[2] in queue.ready]
                heapq.heapify(queue.heap)
            self._drop_idle(key, queue)

    def offered(self, task: api.TaskRef) -> bool:
        return task in self._key_of_task

    def take(self, key: ListKey) -> api.TaskRef | None:
        """Remove and return the first ready task of a list."""
        queue = self._queues.get(key)
        if queue is None or not queue.ready:
            return None
        while True:
            task = heapq.heappop(queue.heap)[2]
            if task in queue.ready:
                self.withdraw(task)
                return task

    def park(self, waiter: Waiter) -> None:
        self._queues.setdefault(waiter.key, _Queue()).waiters[waiter.id] = waiter
        self._key_of_waiter[waiter.id] = waiter.key

    def drop_waiter(self, waiter_id: int) -> None:
        key = self._key_of_waiter.pop(waiter_id, None)
        if key is not None:
            queue = self._queues[key]
            del queue.waiters[waiter_id]
            self._drop_idle(key, queue)

    def oldest_waiter(self, key: ListKey) -> Waiter | None:
        queue = self._queues.get(key)
        if queue is None or not queue.waiters:
            return None
        return next(iter(queue.waiters.values()))

    def backlog(self, key: ListKey) -> int:
        queue = self._queues.get(key)
        return 0 if queue is None else len(queue.ready)

    def parked_on(self, key: ListKey) -> int:
        queue = self._queues.get(key)
        return 0 if queue is None else len(queue.waiters)

    def lists(self) -> Iterator[ListKey]:
        yield from self._queues

    def ready_tasks(self) -> dict[ListKey, set[api.TaskRef]]:
        """What is pollable, by list."""
        return {key: set(queue.ready) for key, queue in self._queues.items() if queue.ready}

    def _drop_idle(self, key: ListKey, queue: _Queue) -> None:
        if not queue.ready and not queue.waiters:
            del self._queues[key]
