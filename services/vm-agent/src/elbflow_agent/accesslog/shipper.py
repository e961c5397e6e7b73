"""Stores finished parts as objects, again and again until it works (spec/vm-agent REQ-6.2, REQ-6.4)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from elbflow import errors, objects
from elbflow_agent import meters
from elbflow_agent.accesslog import lines, spool

_log = structlog.get_logger(__name__)
_AT_ONCE = 2
_BACKOFF_S = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)


class Shipper:
    """Takes parts and removes each when its object is stored. What is left when it stops, the next process finds."""

    def __init__(
        self,
        parts: spool.Spool,
        store: objects.Objects,
        *,
        instruments: meters.Meters,
        backoff_s: tuple[float, ...] = _BACKOFF_S,
    ) -> None:
        self._spool = parts
        self._store = store
        self._meters = instruments
        self._backoff_s = backoff_s
        self._waiting: asyncio.Queue[tuple[Path, int]] = asyncio.Queue()

    def offer(self, path: Path) -> None:
        """Store this finished part as soon as possible."""
        self._waiting.put_nowait((path, 0))

    async def run(self) -> None:
        """For ever: store what is offered. Cancelled, an object may have been stored and its part still be there."""
        async with asyncio.TaskGroup() as group:
            for number in range(_AT_ONCE):
                group.create_task(self._serve(), name=f"access-log-shipper-{number}")

    async def settled(self, timeout_s: float) -> bool:
        """Wait at most ``timeout_s`` seconds until all that was offered is stored; whether it is."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._waiting.join()
        except TimeoutError:
            return False
        return True

    async def store(self, path: Path) -> bool:
        """Store what a part holds now, and leave it; whether there was anything. Raises :class:`errors.Retryable`."""
        part = await asyncio.to_thread(spool.read, path)
        if part is None:
            return False
        header = part.header
        converted = await asyncio.to_thread(lines.convert, part.raw, header.destination.name)
        if converted.body:
            await self._store.put(header.destination.bucket, header.key, converted.body)
        self._meters.access_log_lines.labels("unreadable").inc(converted.unreadable)
        self._meters.access_log_lines.labels("stored").inc(converted.lines)
        return True

    async def _serve(self) -> None:
        while True:
            path, failures = await self._waiting.get()
            try:
                await self.store(path)
                await asyncio.to_thread(self._spool.forget, path)
            except (errors.Retryable, OSError) as error:
                self._put_off(path, failures, error)
            else:
                self._meters.access_log_objects.labels("stored").inc()
                self._waiting.task_done()
            self._meters.access_log_spooled.set(self._spool.used_bytes)

    def _put_off(self, path: Path, failures: int, error: Exception) -> None:
        self._meters.access_log_objects.labels("failed").inc()
        if failures in (0, len(self._backoff_s)):
            _log.error("access_log_not_stored", part=path.name, attempts=failures + 1, reason=str(error))
        delay_s = self._backoff_s[min(failures, len(self._backoff_s) - 1)]
        # Others need not wait for the bucket of this one.
        asyncio.get_running_loop().call_later(delay_s, self._again, path, failures + 1)

    def _again(self, path: Path, failures: int) -> None:
        self._waiting.put_nowait((path, failures))
        self._waiting.task_done()
