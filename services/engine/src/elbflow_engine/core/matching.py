"""Task lists: ready tasks by priority, then in the order they became pollable; parked polls in order of arrival.

Handing out costs O(log n), leaving a queue O(1), waiting nothing (spec/swf-semantics 4, swf-long-poll-scale 6.3).
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from elbflow_engine.core import api

_SLACK = 64  # withdrawn tasks a queue may keep before it is rebuilt
_DEPTHS = (1, 2, 3)  # polls are counted by account, by domain and by kind


class ListKey(NamedTuple):
    """One task list; the two kinds are independent name spaces."""

    account: str
    domain: str
    kind: str
    name: str


class Waiter(NamedTuple):
    """One parked poll, with the arguments its answer will need."""

    id: int
    key: ListKey
    params: api.Object


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
        self._parked_in: dict[tuple[str, ...], int] = {}
        self._ready_in: dict[tuple[str, ...], int] = {}

    @property
    def parked(self) -> int:
        return len(self._key_of_waiter)

    def offer(self, key: ListKey, task: api.TaskRef, priority: int, sequence: int) -> None:
        """Make a task pollable."""
        queue = self._queues.setdefault(key, _Queue())
        heapq.heappush(queue.heap, (-priority, sequence, task))
        queue.ready.add(task)
        self._key_of_task[task] = key
        _count(self._ready_in, key[:3], 1)

    def withdraw(self, task: api.TaskRef) -> None:
        """The task is no longer pollable, if it ever was."""
        key = self._key_of_task.pop(task, None)
        if key is not None:
            queue = self._queues[key]
            queue.ready.discard(task)
            _count(self._ready_in, key[:3], -1)
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
        for depth in _DEPTHS:
            _count(self._parked_in, waiter.key[:depth], 1)

    def drop_waiter(self, waiter_id: int) -> None:
        key = self._key_of_waiter.pop(waiter_id, None)
        if key is not None:
            queue = self._queues[key]
            del queue.waiters[waiter_id]
            for depth in _DEPTHS:
                _count(self._parked_in, key[:depth], -1)
            self._drop_idle(key, queue)

    def oldest_waiter(self, key: ListKey) -> Waiter | None:
        queue = self._queues.get(key)
        if queue is None or not queue.waiters:
            return None
        return next(iter(queue.waiters.values()))

    def backlog(self, key: ListKey) -> int:
        queue = self._queues.get(key)
        return 0 if queue is None else len(queue.ready)

    def next_on(self, key: ListKey) -> api.TaskRef | None:
        """The ready task of a list that will be taken next; it stays there."""
        queue = self._queues.get(key)
        if queue is None or not queue.ready:
            return None
        while queue.heap[0][2] not in queue.ready:
            heapq.heappop(queue.heap)
        return queue.heap[0][2]

    def with_backlog(self) -> Iterator[ListKey]:
        """The lists that hold a ready task."""
        return (key for key, queue in self._queues.items() if queue.ready)

    def of_domain(self, account: str, domain: str) -> Iterator[tuple[ListKey, int, int]]:
        """The lists of a domain, with their parked polls and ready tasks."""
        for key, queue in self._queues.items():
            if key[1] == domain and key[0] == account:
                yield key, len(queue.waiters), len(queue.ready)

    def ready_on(self, key: ListKey) -> Collection[api.TaskRef]:
        """The ready tasks of a list, in no order."""
        queue = self._queues.get(key)
        return () if queue is None else queue.ready

    def waiters(self, key: ListKey) -> Collection[Waiter]:
        """The polls parked on a list, oldest first."""
        queue = self._queues.get(key)
        return () if queue is None else queue.waiters.values()

    def parked_on(self, key: ListKey) -> int:
        queue = self._queues.get(key)
        return 0 if queue is None else len(queue.waiters)

    def parked_in(self, *place: str) -> int:
        """Polls parked in an account, in a domain of it, or with one kind of that domain."""
        return self._parked_in.get(place, 0)

    def by_domain(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Polls parked and tasks ready, by domain and kind, over all accounts."""
        totals: dict[tuple[str, str], tuple[int, int]] = {}
        for place in self._parked_in.keys() | self._ready_in.keys():
            if len(place) == _DEPTHS[-1]:
                parked, ready = totals.get((place[1], place[2]), (0, 0))
                parked, ready = parked + self._parked_in.get(place, 0), ready + self._ready_in.get(place, 0)
                totals[place[1], place[2]] = parked, ready
        return totals

    def longest(self, count: int) -> tuple[list[ListKey], list[ListKey]]:
        """The ``count`` lists with most parked polls, and those with most ready tasks; looks at every list."""
        parked = ((key, len(queue.waiters)) for key, queue in self._queues.items())
        ready = ((key, len(queue.ready)) for key, queue in self._queues.items())
        return _longest(parked, count), _longest(ready, count)

    def first_offered(self) -> api.TaskRef | None:
        """The ready task that was offered first; one that was taken back counts from its return."""
        return next(iter(self._key_of_task), None)

    def lists(self) -> Iterator[ListKey]:
        yield from self._queues

    def ready_tasks(self) -> dict[ListKey, set[api.TaskRef]]:
        """What is pollable, by list."""
        return {key: set(queue.ready) for key, queue in self._queues.items() if queue.ready}

    def _drop_idle(self, key: ListKey, queue: _Queue) -> None:
        if not queue.ready and not queue.waiters:
            del self._queues[key]


def _count(counts: dict[tuple[str, ...], int], place: tuple[str, ...], by: int) -> None:
    """Only what is not zero is kept."""
    number = counts.get(place, 0) + by
    if number:
        counts[place] = number
    else:
        del counts[place]


def _longest(lengths: Iterable[tuple[ListKey, int]], count: int) -> list[ListKey]:
    """The keys of the greatest lengths, none of 0. Quick when most are 1, as they are when there are thousands."""
    ones: list[ListKey] = []
    more: list[tuple[int, ListKey]] = []
    for key, length in lengths:
        if length > 1:
            more.append((length, key))
        elif length and len(ones) < count:
            ones.append(key)
    return [*(key for _, key in heapq.nlargest(count, more)), *ones][:count]
