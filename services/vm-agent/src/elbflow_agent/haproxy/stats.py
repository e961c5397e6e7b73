"""``show stat`` as CSV, and counters that go on across reloads and crashes (spec/vm-agent 5.5, REQ-5.3 to REQ-5.6).

Every worker counts from zero, so deltas are taken per worker pid. What the servers answered is told apart from what
HAProxy answered by itself through their rows: the frontend counts all responses, a server row only its own.
"""

from __future__ import annotations

import collections
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from elbflow_agent.haproxy import model, running, samples

Row: TypeAlias = Mapping[str, str]
RowKey: TypeAlias = tuple[str, str]
"""Proxy name and server name; the latter is ``FRONTEND`` or ``BACKEND`` for a proxy's own rows."""

_ANSWERED = ("hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other")
_RAW = (*_ANSWERED, "stot", "econ", "wretr", "wredis", "dreq", "qmax")
_NOUGHTS = dict.fromkeys(_RAW, 0.0)
"""One for all VMs, and one nought: most servers of most load balancers serve nobody."""
_COLUMNS = frozenset((*_RAW, "pxname", "svname", "mode", "scur", "qcur", "ctime", "rtime"))


def parse(text: str) -> list[Row]:
    """Rows of ``show stat``, by column name; of a hundred columns those that are looked at here."""
    lines = csv.reader(io.StringIO(text.removeprefix("# ")))
    columns = [(at, name) for at, name in enumerate(next(lines, ())) if name in _COLUMNS]
    return [{name: line[at] for at, name in columns if at < len(line)} for line in lines if line]


def sessions(rows: Sequence[Row]) -> dict[running.ServerKey, int]:
    """Current sessions plus queued requests of every server."""
    return {
        (row["pxname"], row["svname"]): _number(row, "scur") + _number(row, "qcur")
        for row in rows
        if row["svname"] not in ("FRONTEND", "BACKEND")
    }


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

    def observe(self, pid: int, rows: Sequence[Row]) -> None:
        """Add what worker ``pid`` counted since its last observation."""
        known = self.baselines.setdefault(pid, {})
        self.waiting[pid] = 0.0
        flowing: dict[int, int] = {}
        for row in rows:
            port = model.port_of(row["pxname"])
            if port is None:
                continue
            key = (row["pxname"], row["svname"])
            values = {name: float(_number(row, name)) or 0.0 for name in _RAW}
            if values == _NOUGHTS:
                values = _NOUGHTS
            # What an earlier build did not look at counts from now on.
            before = {**values, **known[key]} if key in known else _NOUGHTS
            delta = {name: _grown(value, before[name]) for name, value in values.items()}
            known[key] = values
            self.waiting[pid] += _number(row, "qcur")
            if values["qmax"] > before["qmax"]:
                self.samples.add_queue(values["qmax"])
            for name, amount in _contributions(row, delta):
                self._add(name, amount)
            answers, usual_ms = _latencies(row, delta)
            if answers:
                self.samples.owe(port, answers, usual_ms)
            if row["svname"] == "BACKEND" and (sessions_now := _number(row, "scur")):
                flowing[port] = sessions_now
        self.flowing.pop(pid, None)
        if flowing:  # most VMs of a host are idle
            self.flowing[pid] = flowing

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


def _contributions(row: Row, delta: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    if row["svname"] == "FRONTEND":
        yield "HTTPCode_ELB_4XX", delta["hrsp_4xx"]
        yield "HTTPCode_ELB_5XX", delta["hrsp_5xx"]
        if row.get("mode") == model.Mode.TCP:
            # Of TCP, HAProxy counts here what the back end's queue had no room for.
            yield "SpilloverCount", delta["dreq"]
        return
    if row["svname"] == "BACKEND":
        # Back ends deny nothing but what their queue has no room for.
        yield "SpilloverCount", delta["dreq"]
        return
    # Each try to connect is a session of the server. One that fails is repeated there, or elsewhere, or the last.
    failed = delta["econ"] + delta["wretr"] + delta["wredis"]
    connected = delta["stot"] - failed
    yield "BackendConnectionErrors", failed
    yield "RequestCount", connected
    if row.get("mode") == model.Mode.TCP:
        return
    for digit in "2345":
        yield f"HTTPCode_Backend_{digit}XX", delta[f"hrsp_{digit}xx"]
    yield "HTTPCode_ELB_4XX", -delta["hrsp_4xx"]
    yield "HTTPCode_ELB_5XX", -delta["hrsp_5xx"]


def _latencies(row: Row, delta: Mapping[str, float]) -> tuple[float, float]:
    """How many answers of a server have a latency, and what they usually take."""
    if row["svname"] in ("FRONTEND", "BACKEND"):
        return 0.0, 0.0
    if row.get("mode") == model.Mode.TCP:
        return delta["stot"] - delta["econ"] - delta["wretr"] - delta["wredis"], float(_number(row, "ctime"))
    return sum(delta[name] for name in _ANSWERED), float(_number(row, "rtime"))


def _grown(value: float, before: float) -> float:
    return value - before if value >= before else value


def _number(row: Row, name: str) -> int:
    text = row.get(name) or "0"
    return int(text) if text.isdecimal() else 0
