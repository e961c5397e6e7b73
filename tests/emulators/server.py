"""An SWF server that polls meet: it parks, hands out, throttles and misbehaves as told, and counts what it saw.

It knows tasks, not workflows: tasks are put on lists from outside, and answering one ends it. Polls may name any
domain and list. It checks no signatures and keeps nothing.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from tests.emulators.behaviour import Behaviour
from tests.emulators.counts import Counts
from tests.emulators.lists import ACTIVITY, DECISION, Key, Poll, Task, TaskList, answer_of
from tests.emulators.wire import Request
from tests.emulators.workers import Workers

PROBE_TOKEN = "probe"
_ENDING = frozenset(
    {
        "RespondDecisionTaskCompleted",
        "RespondActivityTaskCompleted",
        "RespondActivityTaskFailed",
        "RespondActivityTaskCanceled",
    }
)
_COUNTING = {"CountPendingActivityTasks": ACTIVITY, "CountPendingDecisionTasks": DECISION}


class Server:
    """All state of one emulated endpoint; belongs to one loop. The token ``probe`` is always a known one."""

    def __init__(self, behaviour: Behaviour, seed: int = 1) -> None:
        self._loop = asyncio.get_running_loop()
        self._rng = random.Random(seed)
        self._workers = Workers(behaviour.threads)
        self._lists: dict[Key, TaskList] = defaultdict(TaskList)
        self._open: dict[str, Task] = {}
        self._serial = 0
        self._tokens = behaviour.bucket_size
        self._filled_at = time.monotonic()
        self.behaviour = behaviour
        self.parked = 0
        self.counts = Counts(since=time.monotonic())

    def switch(self, behaviour: Behaviour) -> None:
        """Behave differently from now on; polls that are parked keep the hold they have."""
        self.behaviour = behaviour
        self._tokens = min(self._tokens, behaviour.bucket_size)
        self._workers.resize(behaviour.threads)

    def reset(self) -> None:
        """Count from zero."""
        self.counts = Counts(since=time.monotonic(), parked_max=self.parked, queued_max=self._workers.queued)

    def report(self) -> dict[str, Any]:
        """What was seen, and what is parked where now."""
        lists = {name: len(found.waiters) for (_, name), found in self._lists.items() if found.waiters}
        now = {"parked": self.parked, "queued": self._workers.queued, "parked_by_list": lists}
        backlog = sum(len(found.tasks) for found in self._lists.values())
        return self.counts.report(time.monotonic()) | now | {"backlog": backlog, "open": len(self._open)}

    def serve(self, request: Request) -> None:
        """Take one request; it is answered now or later."""
        if request.target in (ACTIVITY, DECISION):
            self._poll(request)
            return
        self.counts.short_calls += 1
        if self.behaviour.short_calls_apart:
            self._after(self.behaviour.service_s, self._answer_short, request)
        else:
            self._workers.run(lambda: self._after(self.behaviour.service_s, self._serve_short, request))

    def offer(self, kind: str, name: str, count: int = 1) -> None:
        """Put new tasks on a list, and wake who waits there."""
        found = self._lists[kind, name]
        for _ in range(count):
            self._serial += 1
            self.counts.offered += 1
            drops = self.behaviour.drops_beyond
            if drops is not None and len(found.waiters) + found.queued > drops:
                self.counts.lost += 1
                continue
            found.tasks.append(Task(self._serial, time.monotonic()))
            self._wake(found)

    async def offer_steadily(self, kind: str, names: Sequence[str], per_s: float, count: int) -> None:
        """``count`` tasks, evenly in time, on random ones of the lists."""
        begun = time.monotonic()
        for number in range(count):
            await asyncio.sleep(begun + number / per_s - time.monotonic())
            self.offer(kind, self._rng.choice(names))

    def _poll(self, request: Request) -> None:
        behaviour, name = self.behaviour, request.members()["taskList"]["name"]
        self.counts.poll(time.monotonic())
        if not self._admitted():
            self.counts.throttled += 1
            request.fault("ThrottlingException", "Rate exceeded")
        elif len(self._lists[request.target, name].waiters) >= behaviour.pollers_per_list:
            self.counts.limited += 1
            request.fault("LimitExceededFault", "Too many pollers on this list")
        else:
            poll, found = Poll(request, request.target), self._lists[request.target, name]
            found.queued += 1
            self._workers.run(lambda: self._arrive(poll, found))
            self.counts.queued_max = max(self.counts.queued_max, self._workers.queued)

    def _admitted(self) -> bool:
        rate = self.behaviour.bucket_rate
        if rate is None:
            return True
        now = time.monotonic()
        self._tokens = min(self.behaviour.bucket_size, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _arrive(self, poll: Poll, found: TaskList) -> None:
        found.queued -= 1
        if not poll.request.connection.is_open:
            self._workers.done()
        elif found.tasks:
            self._hand(poll, found)
        else:
            found.waiters[poll] = None
            self.parked += 1
            self.counts.parked_max = max(self.counts.parked_max, self.parked)
            is_early, hold_s = self._hold_s()
            poll.expiry = self._loop.call_later(hold_s, self._expire, poll, found, is_early)
            poll.request.connection.on_lost = lambda: self._vanish(poll, found)

    def _hold_s(self) -> tuple[bool, float]:
        behaviour = self.behaviour
        if behaviour.early_s is not None and self._rng.random() < behaviour.early_share:
            return True, behaviour.early_s
        if not behaviour.tick_s:
            return False, behaviour.hold_s
        now = time.monotonic()
        return False, math.ceil((now + behaviour.hold_s) / behaviour.tick_s) * behaviour.tick_s - now

    def _wake(self, found: TaskList) -> None:
        if not self.behaviour.herd:
            while found.tasks and found.waiters:
                self._hand(self._leave(next(iter(found.waiters)), found), found)
            return
        woken = list(found.waiters)
        self._rng.shuffle(woken)
        for poll in woken:
            self._leave(poll, found)
            if found.tasks:
                self._hand(poll, found)
            else:
                self._empty(poll, is_early=True)

    def _leave(self, poll: Poll, found: TaskList) -> Poll:
        del found.waiters[poll]
        self.parked -= 1
        poll.request.connection.on_lost = None
        if poll.expiry is not None:
            poll.expiry.cancel()
        return poll

    def _hand(self, poll: Poll, found: TaskList) -> None:
        task = found.tasks.popleft()
        if poll.request.connection.is_open:
            self.counts.given += 1
            self._open[str(task.serial)] = task
            self._after(self.behaviour.latency_s, poll.request.answer, answer_of(poll.kind, task))
        else:
            self.counts.lost += 1
        self._workers.done()

    def _expire(self, poll: Poll, found: TaskList, is_early: bool) -> None:
        self._empty(self._leave(poll, found), is_early=is_early)

    def _empty(self, poll: Poll, *, is_early: bool) -> None:
        """SWF leaves the token out of an empty answer, Eucalyptus all members (4.1)."""
        if is_early:
            self.counts.empty_early += 1
        else:
            self.counts.empty_full += 1
        members = {"startedEventId": 0, "previousStartedEventId": 0} if poll.kind == DECISION else {}
        self._after(self.behaviour.latency_s, poll.request.answer, members)
        self._workers.done()

    def _vanish(self, poll: Poll, found: TaskList) -> None:
        if self.behaviour.notices_disconnects:
            self._leave(poll, found)
            self._workers.done()

    def _serve_short(self, request: Request) -> None:
        self._answer_short(request)
        self._workers.done()

    def _answer_short(self, request: Request) -> None:
        members = request.members()
        if request.target in _COUNTING:
            found = self._lists[_COUNTING[request.target], members["taskList"]["name"]]
            request.answer({"count": len(found.tasks), "truncated": False})
            return
        token = members.get("taskToken", "")
        known = token == PROBE_TOKEN or token in self._open
        if request.target == "RecordActivityTaskHeartbeat" and known:
            request.answer({"cancelRequested": False})
        elif request.target not in _ENDING:
            request.fault("UnknownOperationException", f"Not emulated: {request.target}")
        elif not known:
            request.fault("UnknownResourceFault", f"Unknown token: {token}")
        else:
            self._end(token)
            request.answer()

    def _end(self, token: str) -> None:
        task = self._open.pop(token, None)
        if task is not None and task.created >= self.counts.since:
            self.counts.done += 1
            self.counts.done_s.append(time.monotonic() - task.created)

    def _after(self, delay_s: float, call: Any, *arguments: Any) -> None:
        if delay_s > 0.0:
            self._loop.call_later(delay_s, call, *arguments)
        else:
            call(*arguments)
