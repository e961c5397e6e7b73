"""Stores finished parts as objects, again and again until it works (spec/vm-agent REQ-6.2, REQ-6.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from elbflow import errors, objects
from elbflow_agent import meters
from elbflow_agent.accesslog import lines, spool, troubles
from elbflow_agent.accesslog.converter import Converter

_log = structlog.get_logger(__name__)
_AT_ONCE = 2
_BACKOFF_S = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)


class Shipper:
    """Takes parts and removes each when its object is stored. What is left when it stops, the next process finds."""

    def __init__(
        self,
        parts: spool.Spool,
        stores: Callable[[spool.Destination], objects.Objects],
        *,
        instruments: meters.Meters,
        backoff_s: tuple[float, ...] = _BACKOFF_S,
    ) -> None:
        self.troubles = troubles.Troubles()
        self._spool = parts
        self._converter = Converter(parts)
        self._stores = stores
        self._meters = instruments
        self._backoff_s = backoff_s
        self._waiting: asyncio.Queue[tuple[Path, int]] = asyncio.Queue()
        instruments.access_log_spooled.set_function(lambda: parts.used_bytes)

    def offer(self, path: Path) -> None:
        """Store this finished part as soon as possible."""
        self._waiting.put_nowait((path, 0))

    async def run(self) -> None:
        """For ever: store what is offered. Cancelled, an object may have been stored and its part still be there."""
        async with asyncio.TaskGroup() as group:
            for number in range(_AT_ONCE):
                group.create_task(self._serve(), name=f"access-log-shipper-{number}")

    async def settled(self, timeout_s: float) -> bool:
        """Wait at most ``timeout_s`` seconds until all that was offered is stored, in haste; whether it is."""
        self._converter.hurry()
        try:
            async with asyncio.timeout(timeout_s):
                await self._waiting.join()
        except TimeoutError:
            return False
        return True

    async def store(self, path: Path, *, urgent: bool = False) -> lines.Converted | None:
        """Store what a part holds now, and leave it; None when it cannot be read.

        One that is not ``urgent`` may wait for all other work of this machine. Raises :class:`errors.Retryable`.
        """
        try:
            header = await asyncio.to_thread(spool.read_header, path)
        except FileNotFoundError:
            _log.error("access_log_part_gone", file=path.name)
            return None
        if header is None:
            _log.error("access_log_part_unreadable", file=path.name)
            return None
        converted = await self._converter.converted(path, header.destination.name, urgent=urgent)
        if converted.body:
            store = self._stores(header.destination)
            try:
                await store.put(header.destination.bucket, header.key, converted.body)
            except errors.Retryable as error:
                self.troubles.failed(header.destination, error)
                raise
            self.troubles.stored(header.destination)
        return converted

    async def _serve(self) -> None:
        while True:
            path, failures = await self._waiting.get()
            try:
                stored = await self.store(path)
                await asyncio.to_thread(self._spool.forget, path)
            except (errors.Retryable, OSError) as error:
                self._put_off(path, failures, error)
            except Exception as error:
                # Whatever is wrong with this part, the others of all VMs are to be stored.
                _log.exception("access_log_shipper_failed", part=path.name)
                self._put_off(path, failures, error)
            else:
                self._count(stored)
                self._waiting.task_done()

    def _count(self, stored: lines.Converted | None) -> None:
        if stored is None:
            return
        self._meters.access_log_objects.labels("stored").inc()
        self._meters.access_log_lines.labels("unreadable").inc(stored.unreadable)
        self._meters.access_log_lines.labels("stored").inc(stored.lines)

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
