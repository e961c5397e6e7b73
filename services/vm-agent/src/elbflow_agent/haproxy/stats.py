"""``show stat`` as CSV, and counters that go on across reloads and crashes (spec/vm-agent 5.5, REQ-5.3 to REQ-5.6).

Every worker counts from zero, so deltas are taken per worker pid. What the servers answered is told apart from what
HAProxy answered by itself through their rows: the frontend counts all responses, a server row only its own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from elbflow_agent.haproxy import model, running, samples

Row: TypeAlias = Mapping[str, str]
RowKey: TypeAlias = tuple[str, str]
"""Proxy name and server name; the latter is ``FRONTEND`` or ``BACKEND`` for a proxy's own rows."""

_RAW = ("hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other", "stot", "econ", "wretr", "wredis", "dreq", "qmax")
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
    requests took; without any, HAProxy's own means will do: those of the last 1,024 requests of each server.
    """

    totals: dict[str, float] = field(default_factory=dict)
    baselines: dict[int, dict[RowKey, dict[str, float]]] = field(default_factory=dict)
    samples: samples.Samples = field(default_factory=samples.Samples)
    waiting: dict[int, float] = field(default_factory=dict)

    def observe(self, pid: int, rows: Sequence[Row]) -> None:
        """Add what worker ``pid`` counted since its last observation."""
        known = self.baselines.setdefault(pid, {})
        means_ms = self.samples.means()
        self.waiting[pid] = 0.0
        for row in rows:
            port = model.port_of(row["pxname"])
            if port is None:
                continue
            key = (row["pxname"], row["svname"])
            # Nearly all are nought, and one nought does for all VMs.
            values = {name: float(_number(row, name)) or 0.0 for name in _RAW}
            # What an earlier build did not look at counts from now on.
            before = {**values, **known[key]} if key in known else dict.fromkeys(_RAW, 0.0)
            delta = {name: _grown(value, before[name]) for name, value in values.items()}
            known[key] = values
            self.waiting[pid] += _number(row, "qcur")
            if values["qmax"] > before["qmax"]:
                self.samples.add_queue(values["qmax"])
            for name, amount in _contributions(row, delta, means_ms.get(port)):
                self._add(name, amount)

    def forget_server(self, pid: int, key: running.ServerKey) -> None:
        """The server is gone from this worker; a later one of the same name counts from zero."""
        self.baselines.get(pid, {}).pop(key, None)

    def keep_workers(self, pids: frozenset[int]) -> None:
        """End a look at all workers; those that are not in ``pids`` are gone."""
        self.baselines = {pid: rows for pid, rows in self.baselines.items() if pid in pids}
        self.waiting = {pid: length for pid, length in self.waiting.items() if pid in pids}
        self.samples.latencies.clear()
        if self.queue:
            self.samples.add_queue(self.queue)
            self._add("SurgeQueueLengthSum", self.queue)
            self._add("SurgeQueueLengthCount", 1.0)

    @property
    def queue(self) -> float:
        """Requests and connections that waited for a server at the last look."""
        return sum(self.waiting.values())

    def _add(self, name: str, amount: float) -> None:
        if amount:
            self.totals[name] = self.totals.get(name, 0.0) + amount


def _contributions(row: Row, delta: Mapping[str, float], mean_ms: float | None) -> Iterator[tuple[str, float]]:
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
        yield "LatencyCount", connected
        yield "Latency", connected * (_number(row, "ctime") if mean_ms is None else mean_ms)
        return
    for digit in "2345":
        yield f"HTTPCode_Backend_{digit}XX", delta[f"hrsp_{digit}xx"]
    yield "HTTPCode_ELB_4XX", -delta["hrsp_4xx"]
    yield "HTTPCode_ELB_5XX", -delta["hrsp_5xx"]
    responses = sum(delta[f"hrsp_{kind}"] for kind in ("2xx", "3xx", "4xx", "5xx", "other"))
    yield "LatencyCount", responses
    yield "Latency", responses * (_number(row, "rtime") if mean_ms is None else mean_ms)


def _grown(value: float, before: float) -> float:
    return value - before if value >= before else value


def _number(row: Row, name: str) -> int:
    text = row.get(name) or "0"
    return int(text) if text.isdecimal() else 0
