"""The certificates of one VM: got when wanted, looked at again from time to time, kept while IAM is away (REQ-7.4).

What was once had is served until something else is had: that a certificate cannot be downloaded again, because IAM does
not answer or does not know it any more, never takes it from a listener. Nothing is kept on disk: what listeners serve
outlives this process in HAProxy's own files (:mod:`elbflow_agent.haproxy.keys`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeAlias

import structlog

from elbflow import clock, errors
from elbflow_agent.certificates import meters, schedule
from elbflow_agent.certificates.model import Bundle, Found, Missing

_log = structlog.get_logger(__name__)
_PATIENCE_S = 8.0
"""How long the answer to a document waits for certificates that were never had."""


class NeedsRecycling(errors.Permanent):
    """The VM's delegation certificate is at its end: only a new VM gets another one (REQ-7.4)."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """Leaf, chain and private key as PEM; ``expires_at`` is the leaf's end, in seconds since the epoch."""

    pem: bytes = field(repr=False)
    expires_at: float


Download: TypeAlias = Callable[[str], Coroutine[Any, Any, Downloaded]]
"""By ARN."""


@dataclass(slots=True, eq=False)
class _Entry:
    """One wanted certificate."""

    arn: str
    bundle: Bundle | None = None
    reason: str = "it is being downloaded"
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    sooner: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Certificates:
    """A :class:`elbflow_agent.certificates.model.Source`, and an async context manager: leaving it stops all work."""

    def __init__(
        self,
        download: Download,
        *,
        time: clock.Clock,
        rng: random.Random,
        instruments: meters.Meters,
    ) -> None:
        self._download = download
        self._clock = time
        self._rng = rng
        self._meters = instruments
        self._entries: dict[str, _Entry] = {}
        self._changed: Callable[[], None] = lambda: None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Certificates:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        entries, self._entries = list(self._entries.values()), {}
        await self._ended(entries)

    def subscribe(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    async def want(self, arns: frozenset[str]) -> None:
        async with self._turn:
            gone = [self._entries.pop(arn) for arn in self._entries.keys() - arns]
            for arn in sorted(arns - self._entries.keys()):
                self._begin(arn)
            await self._ended(gone)
        untried = [entry for entry in self._entries.values() if not entry.tried.is_set()]
        if untried:
            waits = [asyncio.create_task(entry.tried.wait()) for entry in untried]
            try:
                await asyncio.wait(waits, timeout=_PATIENCE_S)
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)

    def bundle(self, arn: str) -> Found:
        entry = self._entries.get(arn)
        if entry is None:
            return Missing(f"certificate {arn} is not wanted")
        return entry.bundle or Missing(f"certificate {arn} cannot be had: {entry.reason}")

    def look(self) -> None:
        """Look at all certificates again now, whenever that was due."""
        for entry in self._entries.values():
            entry.sooner.set()

    def _begin(self, arn: str) -> None:
        entry = self._entries[arn] = _Entry(arn)
        self._meters.missing.inc()
        entry.task = asyncio.create_task(self._keep(entry), name=f"certificate-{arn.rpartition('/')[2]}")

    async def _keep(self, entry: _Entry) -> None:
        failures = 0
        while True:
            try:
                wait_s = await self._refresh(entry)
                failures = 0
            except Exception as error:
                failures += 1
                wait_s = schedule.retry_in_s(failures, self._rng)
                if isinstance(error, NeedsRecycling):
                    wait_s = schedule.LAST_RETRY_S
                self._note(entry, error, failures)
            entry.tried.set()
            await self._sleep(entry, wait_s)

    async def _refresh(self, entry: _Entry) -> float:
        """Download; seconds until the next time."""
        entry.sooner.clear()
        had = await self._download(entry.arn)
        left_s = had.expires_at - self._clock.now()
        new, former = Bundle.of(entry.arn, had.pem), entry.bundle
        if former is not None and former.fingerprint == new.fingerprint:
            self._meters.downloads.labels("unchanged").inc()
            return schedule.refresh_in_s(left_s, self._rng)
        self._meters.downloads.labels("changed").inc()
        if former is None:
            self._meters.missing.dec()
        entry.bundle = new
        _log.info("certificate_had", arn=entry.arn, days_left=round(left_s / 86400), anew=former is not None)
        self._changed()
        return schedule.refresh_in_s(left_s, self._rng)

    def _note(self, entry: _Entry, error: Exception, failures: int) -> None:
        self._meters.downloads.labels("failed").inc()
        known = isinstance(error, errors.ElbflowError)
        reason = str(error) if known else f"{type(error).__name__}"
        if failures == 1 or reason != entry.reason:
            _log.warning("certificate_not_had", arn=entry.arn, reason=reason, served=entry.bundle is not None)
            if not known:
                _log.error("certificate_exchange_broken", arn=entry.arn, exc_info=error)
        changed = entry.bundle is None and reason != entry.reason
        entry.reason = reason
        if changed:
            self._changed()

    async def _sleep(self, entry: _Entry, seconds: float) -> None:
        sleeping = asyncio.create_task(self._clock.sleep(seconds))
        waking = asyncio.create_task(entry.sooner.wait())
        try:
            await asyncio.wait((sleeping, waking), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sleeping, waking):
                task.cancel()
            await asyncio.gather(sleeping, waking, return_exceptions=True)

    async def _ended(self, entries: list[_Entry]) -> None:
        tasks = [entry.task for entry in entries if entry.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._meters.missing.dec(sum(entry.bundle is None for entry in entries))
