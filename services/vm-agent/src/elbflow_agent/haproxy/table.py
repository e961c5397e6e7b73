"""``show stat`` as CSV: of a hundred columns of each row those that are looked at here (spec/vm-agent 5.5)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from elbflow_agent.haproxy import model, running, steps

Row: TypeAlias = tuple[str, str, "Figures"]
"""Proxy name, server name and figures. The server name is ``FRONTEND`` or ``BACKEND`` for a proxy's own rows."""

ANSWERED = ("hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other")
COUNTED = (*ANSWERED, "stot", "econ", "wretr", "wredis", "dreq", "qmax")
PROXYS_OWN = frozenset(("FRONTEND", "BACKEND"))

_NAMES = ("pxname", "svname")
_LOOKED_AT = (*_NAMES, "mode", "scur", "qcur", "ctime", "rtime", *COUNTED)
_MOST_ALIKE = 64


class Figures(NamedTuple):
    """What a row says; ``usual_ms`` is what requests usually take.

    ``counted`` are raw values by name. Rows may have theirs in common, so nobody may change them.
    """

    is_tcp: bool
    sessions: int
    queued: int
    usual_ms: float
    counted: dict[str, float]


NOUGHTS: dict[str, float] = dict.fromkeys(COUNTED, 0.0)
"""One for all VMs, and one nought: most servers of most load balancers serve nobody."""


def parse(text: str) -> list[Row]:
    """The rows of a table."""
    return steps.at_once(parsing(text))


def parsing(text: str) -> steps.Steps[list[Row]]:
    """:func:`parse` in steps."""
    rows: list[Row] = []
    alike: dict[tuple[str, ...], Figures] = {}
    columns = _Columns("")
    for lines in steps.lines_of(text):
        for line in lines:
            if line.startswith("# "):
                columns = _Columns(line.removeprefix("# "))
            elif columns.are_known:
                proxy, server, *texts = columns.of(line)
                rows.append((proxy, server, _figures(tuple(texts), alike)))
        yield len(lines)
    return rows


def sessions(rows: Sequence[Row]) -> dict[running.ServerKey, int]:
    """Current sessions plus queued requests of every server."""
    return {
        (proxy, server): figures.sessions + figures.queued
        for proxy, server, figures in rows
        if server not in PROXYS_OWN
    }


class _Columns:
    """Where in a line what is looked at stands, by the table's first line."""

    def __init__(self, header: str) -> None:
        positions = {name: at for at, name in enumerate(header.split(","))}
        self.are_known = positions.keys() >= set(_NAMES)
        self._chosen = itemgetter(*(positions.get(name, -1) for name in _LOOKED_AT))
        self._needed = 1 + max(positions.get(name, 0) for name in _LOOKED_AT)

    def of(self, line: str) -> Sequence[str]:
        """The texts in the order of ``_LOOKED_AT``; those that this HAProxy does not have are empty."""
        cells = line.split(",", self._needed) if '"' not in line else next(csv.reader((line,)))
        if len(cells) < self._needed:
            cells += [""] * (self._needed - len(cells))
        cells.append("")
        found: tuple[str, ...] = self._chosen(cells)
        return found


def _figures(texts: tuple[str, ...], alike: dict[tuple[str, ...], Figures]) -> Figures:
    found = alike.get(texts)
    if found is None:
        found = _read(*texts)
        if len(alike) < _MOST_ALIKE:  # as all are that serve nobody
            alike[texts] = found
    return found


def _read(mode: str, scur: str, qcur: str, ctime: str, rtime: str, *counted: str) -> Figures:
    is_tcp = mode == model.Mode.TCP.value
    numbers = [0.0 if text == "0" or not text.isdecimal() else float(text) for text in counted]
    values = dict(zip(COUNTED, numbers, strict=True)) if any(numbers) else NOUGHTS
    return Figures(is_tcp, _number(scur), _number(qcur), float(_number(ctime if is_tcp else rtime)), values)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
