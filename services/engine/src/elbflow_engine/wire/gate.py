"""What connections may cost: their number, their unread bytes, their silence (spec/swf-long-poll-scale 6.8)."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, Protocol

import structlog

from elbflow_engine.wire.patience import Patience

log = structlog.get_logger()

MOST_CONNECTIONS = 12_000
SHARE_OF_FILES = 0.8
SOFT_SHARE = 0.9
SMALL_BYTES = 4096
"""Requests up to this size are never turned away for their bytes: polls, heartbeats and most answers are smaller."""

Reason = Literal["connections", "bytes", "silent", "unread_answer", "pipelined_behind_poll"]


def default_connections() -> int:
    """Connections this process can carry beside its other files, by its present limit of open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, int(SHARE_OF_FILES * soft))


@dataclass(frozen=True, slots=True)
class Capacity:
    """Limits of the HTTP side.

    ``connections`` is the hard limit, None takes :func:`default_connections`: beyond it a connection is closed as soon
    as it is accepted. Above nine tenths of it, requests on connections that came late are answered 503 and closed.
    ``head_s``: seconds until the head of a request must be complete, from accepting the connection or from its first
    byte. ``body_s``: seconds its body may take. ``idle_s``: seconds between two requests. ``unread_s``: seconds a
    client may leave an answer unread.
    """

    connections: int | None = None
    request_bytes: int = 64 * 1024 * 1024
    head_s: float = 20.0
    body_s: float = 30.0
    idle_s: float = 75.0
    unread_s: float = 60.0


class Peer(Protocol):
    """A connection as the gate sees it."""

    held_bytes: int

    def __hash__(self) -> int: ...

    @property
    def receiving(self) -> bool:
        """Whether its request is still incomplete."""

    def overloaded(self) -> None:
        """Tell the client that the service is busy, and close."""

    def overdue(self) -> None:
        """Tell the client that its body took too long, and close."""

    def hang_up(self) -> None:
        """Close at once."""


class Gate:
    """Watches all connections of one server. Parked polls hold nothing here but their place in the count."""

    def __init__(self, capacity: Capacity, closed: Callable[[Reason], None]) -> None:
        self._hard = default_connections() if capacity.connections is None else capacity.connections
        self._soft = max(1, int(self._hard * SOFT_SHARE))
        self._most_bytes = capacity.request_bytes
        self._closed = closed
        self._incomplete: dict[Peer, None] = {}
        self._peers: set[Peer] = set()
        self._empty = asyncio.Event()
        self._heads: Patience[Peer] = Patience(capacity.head_s, lambda peer: self.close(peer, "silent"))
        self._bodies: Patience[Peer] = Patience(capacity.body_s, lambda peer: peer.overdue())
        self._idle: Patience[Peer] = Patience(capacity.idle_s, lambda peer: peer.hang_up())
        self._unread: Patience[Peer] = Patience(capacity.unread_s, lambda peer: self.close(peer, "unread_answer"))
        self.bytes_in_flight = 0

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._peers)

    @property
    def peers(self) -> Collection[Peer]:
        """All of them."""
        return self._peers

    async def deserted(self) -> None:
        """Wait until there are none."""
        self._empty.clear()
        if self._peers:
            await self._empty.wait()

    @property
    def crowded(self) -> bool:
        """Whether connections that came late must go."""
        return self.connections > self._soft

    def enter(self, peer: Peer) -> bool:
        """Count a new connection; False when there is no room: then it must be closed, and must not :meth:`leave`."""
        if self.connections >= self._hard:
            self._closed("connections")
            return False
        self._peers.add(peer)
        self._heads.begin(peer)
        return True

    def leave(self, peer: Peer) -> None:
        """The connection is gone."""
        self._peers.discard(peer)
        if not self._peers:
            self._empty.set()
        for patience in (self._heads, self._bodies, self._idle, self._unread):
            patience.done(peer)
        self.settled(peer)

    def head_began(self, peer: Peer) -> None:
        self._heads.begin(peer)

    def head_done(self, peer: Peer) -> None:
        self._heads.done(peer)

    def body_began(self, peer: Peer) -> None:
        self._bodies.begin(peer)

    def body_done(self, peer: Peer) -> None:
        self._bodies.done(peer)

    def idle(self, peer: Peer) -> None:
        """Everything was answered: the connection waits for its next request."""
        self._idle.begin(peer)

    def idle_over(self, peer: Peer) -> None:
        self._idle.done(peer)

    def unread(self, peer: Peer) -> None:
        """The client does not take what was written."""
        self._unread.begin(peer)

    def read(self, peer: Peer) -> None:
        self._unread.done(peer)

    def received(self, peer: Peer, count: int) -> None:
        """``count`` bytes of requests came in; they count until they are :meth:`settled`.

        When there are too many of them, the request that is on its way for the longest time has to go: an honest one
        takes milliseconds. Whole requests are never given up for others.
        """
        peer.held_bytes += count
        self.bytes_in_flight += count
        if peer.held_bytes <= SMALL_BYTES:
            return
        if peer.receiving:
            self._incomplete[peer] = None
        else:
            self._incomplete.pop(peer, None)
        while self.bytes_in_flight > self._most_bytes:
            victim = next(iter(self._incomplete), peer)
            self.settled(victim)
            self._closed("bytes")
            victim.overloaded()
            if victim is peer:
                return

    def settled(self, peer: Peer, later: int = 0) -> None:
        """The request of ``peer`` was answered, or is parked: its bytes are free, but for ``later`` ones behind it."""
        self.bytes_in_flight += later - peer.held_bytes
        peer.held_bytes = later
        if not later:
            self._incomplete.pop(peer, None)

    def close(self, peer: Peer, reason: Reason) -> None:
        """Hang up on ``peer`` and count it."""
        log.debug("connection_closed", reason=reason)
        self._closed(reason)
        peer.hang_up()

    def shut(self) -> None:
        """Stop the timers."""
        for patience in (self._heads, self._bodies, self._idle, self._unread):
            patience.close()
