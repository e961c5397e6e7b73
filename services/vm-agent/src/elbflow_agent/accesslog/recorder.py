"""What HAProxy writes into its pipe: measured always, and kept while access logs are on.

While nothing comes this costs nothing; while much comes, the pipe is emptied in strides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from elbflow import clock, errors, flag, turn
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.accesslog.pipe import Pipe
from elbflow_agent.accesslog.shipper import Shipper
from elbflow_agent.accesslog.spool import Destination, Journal, Spool
from elbflow_agent.haproxy import drops, logs

_log = structlog.get_logger(__name__)
_STRIDE_S, _SHORT_STRIDE_S, _CALM_STRIDE_S = 0.04, 0.02, 0.2
"""Pauses between looks with access logs, with them and little room, and without: lines of a sample need less of it."""
_TROUBLE_S = 1.0
_MANY_BYTES = 64 * 1024
_MEASURED_PER_STRIDE = 64
_LOOKS_FOR_WHOLE_LINE = 20
_LONGEST_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Shipping:
    """Where the access logs of all VMs of a process go."""

    spool: Spool
    shipper: Shipper


class Recorder:
    """Reads the pipe of one VM. Leaving it loses nothing: HAProxy keeps the pipe, the spool keeps the part.

    ``measure`` hears of requests and connections; of some of them when there are very many, and for how many each of
    those stands. ``troubled`` is called whenever :attr:`problems` may have changed.
    """

    def __init__(
        self,
        where: Path,
        owner: str,
        address: str,
        shipping: Shipping | None,
        *,
        time: clock.Clock,
        measure: Callable[[logs.Short, float], None],
        instruments: meters.Meters,
        troubled: Callable[[], None] = lambda: None,
    ) -> None:
        self._where = where
        self._owner = owner
        self._shipping = shipping
        self._journal = Journal(shipping.spool, owner, address) if shipping is not None else None
        self._clock = time
        self._measure = measure
        self._meters = instruments
        self._tell = troubled
        self._destination: Destination | None = None
        self._wanted: Destination | None = None
        self._pipe: Pipe | None = None
        self._wake = flag.Flag()
        self._leaving = False
        self._troubled = False
        self._task: asyncio.Task[None] | None = None
        self._taking = turn.Turn()
        self._catching_up: tuple[asyncio.Task[None], ...] = ()

    async def start(self, destination: Destination | None) -> None:
        """Begin to read. A part that an earlier process left is continued if it is for ``destination``.

        Raises OSError; then nothing has begun, and there is nothing to leave.
        """
        self._destination = self._wanted = destination
        try:
            self._pipe = await asyncio.to_thread(Pipe, self._where)
            await self._resume(destination)
            if destination is not None:
                self._pipe.enlarge()
        except BaseException:
            await self._let_go()
            raise
        if self._shipping is not None:
            self._shipping.shipper.troubles.subscribe(self._tell)
        self._task = asyncio.create_task(self._run(self._pipe), name="access-log-recorder")

    @property
    def problems(self) -> tuple[document.ListenerProblem, ...]:
        """What the load balancer's owner should know about its access logs."""
        said = self._shipping.shipper.troubles.of(self._wanted) if self._shipping is not None else None
        return () if said is None else (document.ListenerProblem(document.WHOLE, said, is_served=True),)

    def direct(self, destination: Destination | None) -> None:
        """Send what comes from now on to ``destination``; what came before is stored at once where it belongs."""
        self._wanted = destination
        if self._wanted != self._destination:
            self._wake.set()

    async def catch_up(self) -> None:
        """Return when all lines that are in the pipe now have been measured, after some seconds at the latest.

        They are nevertheless read then, and when this is cancelled.
        """
        if self._pipe is None or self._leaving:
            return
        task = asyncio.create_task(self._catch_up(self._pipe), name="access-log-catching-up")
        self._catching_up += (task,)
        try:
            await asyncio.wait([task], timeout=_LONGEST_WAIT_S)
        finally:
            self._catching_up = tuple(each for each in self._catching_up if not each.done())

    async def leave(self, *, publish_s: float = 0.0) -> None:
        """Stop reading; the next process goes on. Idempotent.

        With ``publish_s`` the open part is stored as it is, within that time, for the case that nobody comes after
        us; whoever does replaces the object.
        """
        if publish_s > 0:
            await self.catch_up()
        await self._stop()
        if publish_s > 0:
            await self._publish(publish_s)
        await self._let_go()

    async def count_drops(self, counted: drops.Drops) -> None:
        """Note the lines that HAProxy could not write since the last look."""
        try:
            found = await counted.look()
        except errors.Retryable:
            return  # HAProxy counts on, and the next look finds it
        if found:
            self._meters.access_log_lines.labels("dropped").inc(found)

    async def _publish(self, timeout_s: float) -> None:
        if self._shipping is None or self._journal is None or (path := self._journal.path) is None:
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self._shipping.shipper.store(path, urgent=True)
        except Exception as error:
            # The part stays and the next agent stores it; what else is to be done in leaving must not suffer.
            _log.warning("access_log_not_published", part=path.name, reason=f"{type(error).__name__}: {error}")

    async def finish(self) -> None:
        """HAProxy is gone for good: keep what it wrote last, and store all. Idempotent."""
        await self._stop(keep_pipe=True)
        if self._pipe is not None:
            await self._take_all(self._pipe)
            await self._end_part(self._pipe)
        await self._resume(None)
        self._close_pipe()

    async def _stop(self, *, keep_pipe: bool = False) -> None:
        if self._shipping is not None:
            self._shipping.shipper.troubles.unsubscribe(self._tell)
        self._leaving = True
        self._wake.set()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait([task], timeout=_LONGEST_WAIT_S)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._catching_up:
            await asyncio.wait(self._catching_up, timeout=_LONGEST_WAIT_S)
        if not keep_pipe:
            self._close_pipe()

    async def _let_go(self) -> None:
        """Close the pipe, and the part, which stays open for the next process."""
        self._close_pipe()
        if self._journal is not None:
            await asyncio.to_thread(self._journal.leave)

    def _close_pipe(self) -> None:
        found, self._pipe = self._pipe, None
        if found is not None:
            found.close()

    async def _run(self, pipe: Pipe) -> None:
        while not self._leaving:
            try:
                await self._news(pipe)
                async with self._taking:
                    size = await self._look(pipe)
            except Exception:
                # Requests matter more than what is known of them; whatever it is, the next look may do better.
                _log.exception("access_log_recorder_failed")
                await self._clock.sleep(_TROUBLE_S)
                continue
            if size < _MANY_BYTES and not self._leaving:
                await self._clock.sleep(self._pause_s(pipe))

    def _pause_s(self, pipe: Pipe) -> float:
        if self._destination is None:
            return _CALM_STRIDE_S
        return _STRIDE_S if pipe.is_large else _SHORT_STRIDE_S

    async def _news(self, pipe: Pipe) -> None:
        """Wait for lines, for other orders, or for the end of the interval."""
        if pipe.waiting():
            return  # while much comes, something always waits
        end = self._journal.end if self._journal is not None else None
        pipe.watch(self._wake.set)
        try:
            await self._wake.within(max(0.0, end - self._clock.now()) if end is not None else None)
        finally:
            pipe.ignore()
        self._wake.clear()

    async def _catch_up(self, pipe: Pipe) -> None:
        async with self._taking:
            try:
                await self._take_all(pipe)
            except Exception:
                # What is counted does not wait for what is known of it.
                _log.exception("access_log_recorder_failed")

    async def _look(self, pipe: Pipe) -> int:
        if self._destination is None:
            self._switch(pipe)  # before anything is taken: it may be for the new destination already
        size = await self._take_all(pipe)
        if self._wanted != self._destination:
            await self._end_part(pipe)
            self._switch(pipe)
        elif self._journal is not None and (self._journal.over(self._clock.now()) or self._journal.grown()):
            await self._end_part(pipe)
        return size

    def _switch(self, pipe: Pipe) -> None:
        self._destination = self._wanted
        if self._destination is not None:
            pipe.enlarge()

    async def _take_all(self, pipe: Pipe) -> int:
        """Take what the pipe holds now; how many bytes it was, and what came meanwhile."""
        taken, held = 0, pipe.waiting()
        while taken < held and (size := await self._take(pipe)):
            taken += size
        return taken

    async def _take(self, pipe: Pipe) -> int:
        """Take what the pipe holds, as far as one system call does; how many bytes it was."""
        if not pipe.waiting():
            return 0
        if self._destination is not None and self._journal is not None and self._shipping is not None:
            if not self._shipping.spool.full(self._owner):
                try:
                    taken = await asyncio.to_thread(self._journal.take, pipe, self._destination, self._clock.now())
                except OSError as error:
                    self._note_trouble(f"{type(error).__name__}: {error}")
                else:
                    self._troubled = False
                    self._hear(taken.seen, taken.size)
                    return taken.size
            else:
                self._note_trouble("the spool is full")
            data = pipe.read()
            self._journal.skip()
            self._meters.access_log_lines.labels("dropped").inc(data.count(b"\n"))
        else:
            data = pipe.read()
        self._hear(data, len(data))
        return len(data)

    def _note_trouble(self, reason: str) -> None:
        if not self._troubled:
            self._troubled = True
            _log.error("access_log_dropped", reason=reason)

    def _hear(self, data: bytes, size: int) -> None:
        """Measure the first of ``size`` bytes of lines, which begin with ``data``."""
        lines = data.split(b"\n", _MEASURED_PER_STRIDE)[:_MEASURED_PER_STRIDE]
        seen = sum(map(len, lines)) + len(lines)
        weight, more = divmod(max(len(lines), round(len(lines) * size / seen)), len(lines))
        for at, line in enumerate(lines):
            if line.startswith(b"[") and (short := logs.short(line)) is not None:
                self._measure(short, weight + (at < more))

    async def _end_part(self, pipe: Pipe) -> None:
        if self._journal is None or self._journal.end is None:
            return
        for _ in range(_LOOKS_FOR_WHOLE_LINE):
            if await asyncio.to_thread(self._journal.whole):
                break
            await self._take(pipe)
        path = await asyncio.to_thread(self._journal.close)
        if path is not None:
            self._offer(path)

    async def _resume(self, destination: Destination | None) -> None:
        if self._journal is not None:
            for path in await asyncio.to_thread(self._journal.resume, destination, self._clock.now()):
                self._offer(path)

    def _offer(self, path: Path) -> None:
        if self._shipping is not None:
            self._shipping.shipper.offer(path)
