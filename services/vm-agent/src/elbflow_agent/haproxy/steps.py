"""Calculations about all servers of a load balancer, in steps between which the event loop has its turns.

A hundred listeners with a thousand instances each are a hundred thousand servers, and whatever is done for each of
them takes a tenth of a second or more, in which one process answers for none of its VMs. Such a calculation is a
generator: it yields how many servers it has dealt with since it last did, and returns its result. What it reads must
be its own, or not change: others run in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator
from typing import TypeAlias, TypeVar

_T = TypeVar("_T")

Steps: TypeAlias = Generator[int, None, _T]

AT_ONCE = 5000
"""Servers between two turns of the loop, some milliseconds: a smaller load balancer is dealt with in one go."""


_LOT = 100_000
"""Characters of a table, some hundred lines."""


def lines_of(text: str) -> Iterator[list[str]]:
    """The lines of a table that may be of many megabytes, some hundred at a time."""
    first = 0
    while first < len(text):
        end = text.find("\n", first + _LOT) + 1 or len(text)
        yield text[first:end].splitlines()
        first = end


def at_once(steps: Steps[_T]) -> _T:
    """The result, without a turn for anybody else."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _T = end.value
            return result


async def in_turns(steps: Steps[_T]) -> _T:
    """The result; after each :data:`AT_ONCE` servers everybody else has a turn. Cancelled, there is none."""
    done = 0
    while True:
        try:
            done += next(steps)
        except StopIteration as end:
            result: _T = end.value
            return result
        if done >= AT_ONCE:
            done = 0
            await asyncio.sleep(0)
