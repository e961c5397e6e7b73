"""Counters that go on across reloads and crashes (spec/vm-agent 5.5, REQ-5.3 to REQ-5.6).

Every worker counts from zero, so deltas are taken per worker pid. What the servers answered is told apart from what
HAProxy answered by itself through their rows: the frontend counts all responses, a server row only its own.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from elbflow_agent.haproxy import model, running, samples, steps, table

RowKey: TypeAlias = tuple[str, str]
"""Proxy name and server name, as in :data:`table.Row`."""

_ROWS = 500
"""Between two steps."""


@dataclass(slots=True)
class Counters:
    """Cumulative totals of one VM under the names that PutCloudWatchMetric uses.

    ``totals`` only ever grow, but for short dips: of the HTTPCode_ELB counters while a response is on its way from a
    server's row to its frontend's, and of requests by those whose connection was being tried at the last look and
    failed since. ``baselines`` are the last raw values per worker and row. ``samples`` say what
    requests took, from :meth:`settle` on; without any, HAProxy's own means will do: those of the last 1,024 requests
    of each server. ``flowing`` are by worker and port the requests and connections that had not ended at the last look.
    """

    totals: dict[str, float] = field(default_factory=dict)
    baselines: dict[int, dict[RowKey, dict[str, float]]] = field(default_factory=dict)
    samples: samples.Samples = field(default_factory=samples.Samples)
    waiting: dict[int, float] = field(default_factory=dict)
    flowing: dict[int, dict[int, int]] = field(default_factory=dict)

    def observe(self, pid: int, rows: Sequence[table.Row]) -> None:
        """Add what worker ``pid`` counted since its last observation."""
        steps.at_once(self.observing(pid, rows))

    def observing(self, pid: int, rows: Sequence[table.Row]) -> steps.Steps[None]:
        """:meth:`observe` in steps. Nothing is added before the last one, and then all of it: reports come in between.

        One at a time, and no server or worker may be forgotten meanwhile.
        """
        look = _Look(self.baselines.get(pid, {}))
        for first in range(0, len(rows), _ROWS):
            for proxy, server, figures in rows[first : first + _ROWS]:
                look.take(proxy, server, figures)
            yield _ROWS
        known = self.baselines.setdefault(pid, {})
        known.update(look.news)
        for key in look.idle:
            known.pop(key, None)
        self.waiting[pid] = look.waiting
        if look.longest is not None:
            self.samples.add_queue(look.longest)
        for name, amount in look.amounts.items():
            self._add(name, amount)
        for port, answers, usual_ms in look.answers:
            self.samples.owe(port, answers, usual_ms)
        self.flowing.pop(pid, None)
        if look.flowing:  # most VMs of a host are idle
            self.flowing[pid] = look.flowing

    def forget_server(self, pid: int, key: running.ServerKey) -> None:
        """The server is gone from this worker; a later one of the same name counts from zero."""
        self.baselines.get(pid, {}).pop(key, None)

    def keep_workers(self, pids: frozenset[int]) -> None:
        """End a look at all workers; those that are not in ``pids`` are gone."""
        self.baselines = {pid: rows for pid, rows in self.baselines.items() if pid in pids}
        self.waiting = {pid: length for pid, length in self.waiting.items() if pid in pids}
        self.flowing = {pid: ports for pid, ports in self.flowing.items() if pid in pids}
        if self.queue:
            self.samples.add_queue(self.queue)
            self._add("SurgeQueueLengthSum", self.queue)
            self._add("SurgeQueueLengthCount", 1.0)

    def ended(self) -> dict[int, float]:
        """By port the answers without a latency whose lines were written before the last look, for :meth:`settle`."""
        flowing = collections.Counter[int]()
        for ports in self.flowing.values():
            flowing.update(ports)
        return {port: owed - flowing[port] for port, owed in self.samples.owed.items() if owed > flowing[port]}

    def settle(self, ended: Mapping[int, float]) -> None:
        """Give latencies to answers, those that :meth:`ended` told of before the lines were read."""
        answers, total_ms = self.samples.settle(ended)
        self._add("LatencyCount", answers)
        self._add("Latency", total_ms)

    @property
    def queue(self) -> float:
        """Requests and connections that waited for a server at the last look."""
        return sum(self.waiting.values())

    def _add(self, name: str, amount: float) -> None:
        if amount:
            self.totals[name] = self.totals.get(name, 0.0) + amount


class _Look:
    """What one look at a worker adds to what is ``known`` of its rows. Rows that have not changed cost next to nothing.

    ``news`` are new values by row; rows that are ``idle`` have counted nothing at all, and nothing is kept of them.
    """

    def __init__(self, known: Mapping[RowKey, Mapping[str, float]]) -> None:
        self._known = known
        self._proxy: tuple[str, int | None] = ("", None)
        self.news: dict[RowKey, dict[str, float]] = {}
        self.idle: list[RowKey] = []
        self.amounts: dict[str, float] = {}
        self.answers: list[tuple[int, float, float]] = []
        self.flowing: dict[int, int] = {}
        self.waiting = 0.0
        self.longest: float | None = None

    def take(self, proxy: str, server: str, figures: table.Figures) -> None:
        """Take one row of the table."""
        if proxy != self._proxy[0]:
            self._proxy = proxy, model.port_of(proxy)
        port = self._proxy[1]
        if port is None:
            return
        if figures.queued:
            self.waiting += figures.queued
        if figures.sessions and server == "BACKEND":
            self.flowing[port] = figures.sessions
        key, values = (proxy, server), figures.counted
        before = self._known.get(key)
        if before is None:
            if values is not table.NOUGHTS:
                self._count(key, port, figures, table.NOUGHTS)
        elif before != values:
            # What an earlier build did not look at counts from now on.
            self._count(key, port, figures, {**values, **before})
        elif values is table.NOUGHTS:
            self.idle.append(key)

    def _count(self, key: RowKey, port: int, figures: table.Figures, before: Mapping[str, float]) -> None:
        values = figures.counted
        if values is table.NOUGHTS:
            self.idle.append(key)
        else:
            self.news[key] = values
        if values["qmax"] > before["qmax"]:
            self.longest = max(values["qmax"], self.longest or 0.0)
        delta = {name: _grown(value, before[name]) for name, value in values.items()}
        for name, amount in _contributions(key[1], figures.is_tcp, delta):
            if amount:
                self.amounts[name] = self.amounts.get(name, 0.0) + amount
        if key[1] not in table.PROXYS_OWN and (answers := _answers(figures.is_tcp, delta)):
            self.answers.append((port, answers, figures.usual_ms))


def _contributions(server: str, is_tcp: bool, delta: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    if server == "FRONTEND":
        yield "HTTPCode_ELB_4XX", delta["hrsp_4xx"]
        yield "HTTPCode_ELB_5XX", delta["hrsp_5xx"]
        if is_tcp:
            # Of TCP, HAProxy counts here what the back end's queue had no room for.
            yield "SpilloverCount", delta["dreq"]
        return
    if server == "BACKEND":
        # Back ends deny nothing but what their queue has no room for.
        yield "SpilloverCount", delta["dreq"]
        return
    # Each try to connect is a session of the server. One that fails is repeated there, or elsewhere, or the last.
    failed = delta["econ"] + delta["wretr"] + delta["wredis"]
    connected = delta["stot"] - failed
    yield "BackendConnectionErrors", failed
    yield "RequestCount", connected
    if is_tcp:
        return
    for digit in "2345":
        yield f"HTTPCode_Backend_{digit}XX", delta[f"hrsp_{digit}xx"]
    yield "HTTPCode_ELB_4XX", -delta["hrsp_4xx"]
    yield "HTTPCode_ELB_5XX", -delta["hrsp_5xx"]


def _answers(is_tcp: bool, delta: Mapping[str, float]) -> float:
    """How many answers of a server have a latency."""
    if is_tcp:
        return delta["stot"] - delta["econ"] - delta["wretr"] - delta["wredis"]
    return sum(delta[name] for name in table.ANSWERED)


def _grown(value: float, before: float) -> float:
    return value - before if value >= before else value
