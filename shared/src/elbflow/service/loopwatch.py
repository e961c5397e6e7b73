"""Event-loop lag: measured by a ticking task, and seen from outside by a watchdog thread while the loop is stuck."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from types import TracebackType

import prometheus_client
import structlog

log = structlog.get_logger()

TICK_S = 0.25
SHOWN_FRAMES = 12
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class LoopWatch:
    """Measures how late a due callback runs on the current loop; use as an async context manager.

    ``max_lag_s``: beyond it :meth:`problem` reports the loop as lagging, and the watchdog thread logs, once per
    stall, the stack that blocks it.
    """

    def __init__(self, registry: prometheus_client.CollectorRegistry, max_lag_s: float) -> None:
        self._max_lag_s = max_lag_s
        self._lag_s = 0.0
        self._due = time.monotonic() + TICK_S
        self._loop_thread = threading.get_ident()
        self._stop = threading.Event()
        self._task: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._histogram = prometheus_client.Histogram(
            "elbflow_loop_lag_seconds",
            "How late the event loop ran a callback that was due",
            buckets=_BUCKETS,
            registry=registry,
        )

    async def __aenter__(self) -> LoopWatch:
        self._loop_thread = threading.get_ident()
        self._due = time.monotonic() + TICK_S
        self._task = asyncio.create_task(self._tick(), name="loop-watch")
        self._thread = threading.Thread(target=self._watch, name="loop-watchdog", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    @property
    def lag_s(self) -> float:
        """The worse of the last measured lag and the delay of the tick that is due, in seconds."""
        return max(self._lag_s, time.monotonic() - self._due)

    def problem(self) -> str | None:
        """None while the lag is acceptable, else a sentence for ``/livez``."""
        lag_s = self.lag_s
        return None if lag_s <= self._max_lag_s else f"event loop lags {lag_s:.3f} s"

    async def _tick(self) -> None:
        while True:
            self._due = time.monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            self._lag_s = max(0.0, time.monotonic() - self._due)
            self._histogram.observe(self._lag_s)

    def _watch(self) -> None:
        blocked = False
        while not self._stop.wait(self._max_lag_s / 2):
            late_s = time.monotonic() - self._due
            if late_s > self._max_lag_s and not blocked:
                log.error("loop_blocked", late_s=round(late_s, 3), blocked_at=self._blocked_at())
            elif blocked and late_s <= self._max_lag_s:
                log.warning("loop_resumed", lag_s=round(self._lag_s, 3))
            blocked = late_s > self._max_lag_s

    def _blocked_at(self) -> list[str]:
        """The innermost frames of the loop's thread, outermost first; read without touching source files."""
        frame = sys._current_frames().get(self._loop_thread)
        places: list[str] = []
        while frame is not None and len(places) < SHOWN_FRAMES:
            places.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
            frame = frame.f_back
        return places[::-1]
