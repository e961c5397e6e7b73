"""Many rows in few statements.

The interpreter lock is let go and fought for at every step of a statement. Beside an event loop that is never idle
each of these fights lasts a whole switch interval, so a commit must not take a step per row: with one statement per
row the writer falls to 3 % of its rate then (spec/perf-baselines 4, "busy event loop").
"""

from __future__ import annotations

import functools
import itertools
import sqlite3
from collections.abc import Iterator, Sequence
from typing import TypeAlias, TypeVar

LARGEST = 256
"""Rows in one statement at most; SQLite takes 32,766 values."""

Row: TypeAlias = tuple[object, ...]
T = TypeVar("T")


def insert(connection: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> None:
    """Run ``statement`` (up to and without ``VALUES``) for all ``rows``, which must be equally long."""
    for chunk in _chunks(rows):
        text = _insert(statement, len(chunk[0]), len(chunk))
        connection.execute(text, list(itertools.chain.from_iterable(chunk)))


def among(connection: sqlite3.Connection, statement: str, keys: Sequence[object], *fixed: object) -> None:
    """Run ``statement`` for all ``keys``: it takes ``fixed`` and ends where the list of keys must follow."""
    for chunk in _chunks(keys):
        connection.execute(_among(statement, len(chunk)), (*fixed, *chunk))


def _chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Pieces whose lengths are powers of two: a handful of different statements, prepared once each."""
    start, left = 0, len(rows)
    while left:
        size = min(LARGEST, 1 << (left.bit_length() - 1))
        yield rows[start : start + size]
        start += size
        left -= size


@functools.cache
def _insert(statement: str, width: int, count: int) -> str:
    row = f"({', '.join('?' * width)})"
    return f"{statement} VALUES {', '.join([row] * count)}"


@functools.cache
def _among(statement: str, count: int) -> str:
    return f"{statement} ({', '.join('?' * count)})"
