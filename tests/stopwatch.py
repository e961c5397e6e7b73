"""How long something took, less what this machine took from all of us: a neighbour's turn, a throttled container."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

_TICK_S = 0.01
_STANDSTILL_S = 0.05
"""A thread that only sleeps is never as late as that on a machine that runs."""
_PATIENCE_S = 20.0


class Stopwatch:
    """Runs from its beginning; see :func:`running`."""

    def __init__(self) -> None:
        self._began = self._ticked = time.monotonic()
        self._stood_s = 0.0
        self._over = threading.Event()
        self._turn = threading.Lock()

    def seconds(self) -> float:
        """What it took up to now, without standstills."""
        with self._turn:
            self._tick()
            return self._ticked - self._began - self._stood_s

    def run(self) -> None:
        """Tick until :meth:`stop`."""
        while not self._over.wait(_TICK_S):
            with self._turn:
                self._tick()

    def stop(self) -> None:
        self._over.set()

    def _tick(self) -> None:
        now = time.monotonic()
        since_s, self._ticked = now - self._ticked, now
        if since_s > _STANDSTILL_S:
            self._stood_s += since_s - _TICK_S


@contextmanager
def running() -> Iterator[Stopwatch]:
    """A stopwatch that runs while its block does, in a thread of its own."""
    watch = Stopwatch()
    thread = threading.Thread(target=watch.run, name="stopwatch")
    thread.start()
    try:
        yield watch
    finally:
        watch.stop()
        thread.join()


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """What is done in the block must take less than that; standstills do not count."""
    with running() as watch:
        async with asyncio.timeout(seconds + _PATIENCE_S):
            yield
        took_s = watch.seconds()
    assert took_s < seconds
