"""Credentials that are always there when a request is signed (spec/swf-long-poll-scale 5.10).

botocore's chain is asked for them, as a whole and in a thread, for it reads files and may run programs. It is asked
again in the background well before they expire, when the files they came from change, and when SWF refuses them. So
nobody waits for it but the first request of a process that slept longer than its credentials lived.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import structlog
from aiobotocore.credentials import AioCredentials
from aiobotocore.session import AioSession
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError

from elbflow import clock as clocks
from elbflow.swf import errors
from elbflow.swf.metrics import CallCounter
from elbflow.tasks import Supervisor

LEAD_S = 300.0
LEAD_JITTER_S = 60.0
LOOK_EVERY_S = 10.0
FORCED_EVERY_S = 30.0
RETRY_MAX_S = 30.0
CHAIN_TIMEOUT_S = 60.0
_SHORTEST_S = 0.5
_EXPIRED_DOUBLINGS = 4
"""A source that gives what has expired already is asked about every eight seconds, not all the time."""
_FILE_VARIABLES = ("credentials_file", "config_file")
_ENVIRONMENT = "env"

Stamp: TypeAlias = tuple[tuple[int, int, int] | None, ...]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What the chain gave. ``expires_at`` is wall-clock seconds; None for credentials that live until replaced.

    ``files`` are those that the chain reads before it asks elsewhere, ``stamp`` tells whether they changed since.
    """

    keys: ReadOnlyCredentials = field(repr=False)
    method: str
    expires_at: float | None = None
    files: tuple[Path, ...] = ()
    stamp: Stamp = ()


Chain: TypeAlias = Callable[[], Found | None]


class Keeper(AioCredentials):  # type: ignore[misc]
    """The credentials of one client, as botocore's signer asks for them. Made by :func:`kept`."""

    def __init__(
        self, found: Found, chain: Chain, *, counter: CallCounter, clock: clocks.Clock, rng: random.Random
    ) -> None:
        super().__init__(found.keys.access_key, found.keys.secret_key, found.keys.token, method=found.method)
        self._found = found
        self._chain = chain
        self._counter = counter
        self._clock = clock
        self._rng = rng
        self._supervisor = Supervisor()
        self._renewal: asyncio.Task[None] | None = None
        self._failures = 0
        self._tried_at = self._forced_at = float("-inf")
        self.version = 1

    def start(self) -> None:
        """Keep them fresh in the background, if they can change at all."""
        if self._found.expires_at is not None or self._found.files:
            self._supervisor.start(self._keep_fresh(), "credentials-renewal")

    async def close(self) -> None:
        """End what runs in the background; a chain that is being asked may go on in its thread for a while."""
        self._supervisor.cancel()
        await self._supervisor.drain(1.0)

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """The credentials of this moment. Waits only when they have expired and nobody has tried since a second."""
        if self._has_expired() and self._clock.monotonic() >= self._tried_at + 1:
            await self._renew()
        return self._found.keys

    async def refused(self, version: int) -> bool:
        """SWF did not accept the credentials of ``version``: whether there are others now.

        Asks the chain at most every 30 seconds unless they have expired, and once for all requests that were refused
        together.
        """
        if self.version != version:
            return True
        now = self._clock.monotonic()
        pause_s = min(FORCED_EVERY_S, 2.0**self._failures) if self._has_expired() else FORCED_EVERY_S
        if now >= self._forced_at + pause_s:
            self._forced_at = now
            await self._renew()
        elif self._renewal is not None and not self._renewal.done():
            await asyncio.shield(self._renewal)
        return self.version != version

    def _has_expired(self) -> bool:
        return self._found.expires_at is not None and self._clock.now() >= self._found.expires_at

    async def _renew(self) -> None:
        """Ask the chain, once for all that wait. Cancelled here, it is still asked."""
        if self._renewal is None or self._renewal.done():
            self._renewal = Context().run(self._supervisor.start, self._ask(), "credentials-chain")
        await asyncio.shield(self._renewal)

    async def _ask(self) -> None:
        self._tried_at = self._clock.monotonic()
        try:
            found = await asyncio.to_thread(self._chain)
        except Exception as error:
            self._not_renewed(f"{type(error).__name__}: {error}")
            return
        if found is None:
            self._not_renewed("the chain has no credentials any more")
        else:
            self._replace(found)

    def _not_renewed(self, problem: str) -> None:
        self._failures += 1
        self._counter.renewed("failed")
        if self._failures == 1:
            _log.warning("swf_credentials_not_renewed", problem=problem)

    def _replace(self, found: Found) -> None:
        changed = found.keys != self._found.keys
        self._found = found
        self._counter.renewed("ok" if changed else "unchanged")
        if changed:
            self.access_key, self.secret_key, self.token = found.keys[:3]
            self.version += 1
        if changed or self._failures:
            left_s = None if found.expires_at is None else round(found.expires_at - self._clock.now())
            _log.info("swf_credentials_renewed", method=found.method, expires_in_s=left_s)
        self._failures = 0

    async def _keep_fresh(self) -> None:
        """Both reasons at once, for the chain may give credentials of another kind the next time."""
        renew_at = self._renewal_at()
        while True:
            look_at = self._clock.now() + self._rng.uniform(0.8, 1.2) * LOOK_EVERY_S
            await self._clock.sleep(max(0.0, min(look_at, renew_at) - self._clock.now()))
            changed = await asyncio.to_thread(stamp_of, self._found.files) != self._found.stamp
            if changed or self._clock.now() >= renew_at:
                await self._renew()
                renew_at = self._renewal_at()

    def _renewal_at(self) -> float:
        expires_at = self._found.expires_at
        if expires_at is None:
            return math.inf
        now = self._clock.now()
        return now + renewal_in_s(expires_at - now, self._failures, self._rng)


def renewal_in_s(left_s: float, failures: int, rng: random.Random) -> float:
    """Seconds until credentials that live for ``left_s`` more should be renewed, after so many failures in a row.

    Five to six minutes before the end; credentials that live shorter are renewed after half their life.
    """
    if failures or left_s <= 0.0:
        doublings = failures if left_s > 0.0 else max(failures, _EXPIRED_DOUBLINGS)
        return max(_SHORTEST_S, rng.uniform(0.0, min(RETRY_MAX_S, 2.0**doublings)))
    lead_s = LEAD_S + rng.uniform(0.0, LEAD_JITTER_S)
    return max(_SHORTEST_S, left_s - min(lead_s, left_s * rng.uniform(0.5, 0.6)))


def stamp_of(files: tuple[Path, ...]) -> Stamp:
    """What changes when one of ``files`` is written or replaced. Blocks."""
    return tuple(map(_stamp, files))


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        seen = file.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_ino, seen.st_size


def ask_chain(profile: str | None) -> Found | None:
    """Ask botocore's chain from scratch, within a minute; None when it has nothing. Blocks: call it in a thread."""
    session = AioSession(profile=profile)
    files = tuple(Path(session.get_config_variable(name)).expanduser() for name in _FILE_VARIABLES)
    stamp = stamp_of(files)  # before they are read: a change meanwhile must not be missed
    found = asyncio.run(asyncio.wait_for(_resolved(session), CHAIN_TIMEOUT_S))
    if found is not None and found.method != _ENVIRONMENT:
        return replace(found, files=files, stamp=stamp)
    return found


async def _resolved(session: AioSession) -> Found | None:
    found: Any = await session.get_credentials()
    if found is None:
        return None
    keys = await found.get_frozen_credentials()
    expires = getattr(found, "_expiry_time", None)
    return Found(keys, found.method, None if expires is None else expires.timestamp())


@asynccontextmanager
async def kept(
    profile: str | None, *, counter: CallCounter, clock: clocks.Clock, rng: random.Random
) -> AsyncIterator[Keeper]:
    """The credentials of ``profile`` until the block ends; :class:`elbflow.swf.Unauthenticated` when there are none."""

    def chain() -> Found | None:
        return ask_chain(profile)

    try:
        found = await asyncio.to_thread(chain)
    except TimeoutError as error:
        raise errors.Unauthenticated(
            f"AWS's credential chain gave no answer within {CHAIN_TIMEOUT_S:g} s: see that the profile's "
            "credential_process and the host's metadata service answer, set AWS_EC2_METADATA_DISABLED=true where "
            "there is none, or give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from error
    except BotoCoreError as error:
        raise errors.Unauthenticated(f"the AWS credentials cannot be read: {error}") from error
    if found is None:
        raise errors.Unauthenticated("no AWS credentials in the environment, the shared credentials file or the host")
    keeper = Keeper(found, chain, counter=counter, clock=clock, rng=rng)
    keeper.start()
    try:
        yield keeper
    finally:
        await keeper.close()
