"""Pure: which runtime commands lead from what a worker has to what the model wants (REQ-1.3, REQ-3.3).

A difference in the version tag is the one thing these commands cannot mend; :func:`needs_reload` tells it apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from elbflow_agent.haproxy import model, running, steps


@dataclass(frozen=True, slots=True)
class AddServer:
    """Add a server in maintenance; ``listener`` gives the options."""

    listener: model.Listener
    server: model.Server


@dataclass(frozen=True, slots=True)
class ComputeCookies:
    """Give the servers that a sticky back end got or moved at run time their cookie value."""

    backend: str


@dataclass(frozen=True, slots=True)
class SetAddress:
    key: running.ServerKey
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class SetState:
    key: running.ServerKey
    admin: model.Admin


@dataclass(frozen=True, slots=True)
class ShutdownSessions:
    key: running.ServerKey


@dataclass(frozen=True, slots=True)
class DeleteServer:
    key: running.ServerKey


Change: TypeAlias = AddServer | ComputeCookies | SetAddress | SetState | ShutdownSessions | DeleteServer


@dataclass(frozen=True, slots=True)
class Departure:
    """A server that left the model. ``deadline`` is monotonic; ``sessions`` is how many it still has."""

    key: running.ServerKey
    deadline: float
    sessions: int


def needs_reload(actual: running.Running, wanted_tag: str) -> bool:
    """Whether the runtime API cannot reach the wanted configuration."""
    return actual.tag != wanted_tag


def membership(actual: running.Running, wanted: model.Model) -> tuple[Change, ...]:
    """Commands that make every wanted server exist with its address and state. Departed servers are not touched."""
    return steps.at_once(finding_membership(actual, wanted))


def finding_membership(actual: running.Running, wanted: model.Model) -> steps.Steps[tuple[Change, ...]]:
    """:func:`membership` in steps."""
    changes: list[Change] = []
    for listener in wanted.listeners:
        changes += _listener(actual.servers, listener)
        yield len(listener.servers)
    return tuple(changes)


def departed(actual: running.Running, wanted: model.Model) -> tuple[running.ServerKey, ...]:
    """Servers that run but are wanted no more."""
    kept = {listener.backend: {server.name for server in listener.servers} for listener in wanted.listeners}
    nothing = frozenset[str]()
    return tuple(sorted(key for key in actual.servers if key[1] not in kept.get(key[0], nothing)))


def strays(
    servers: Mapping[running.ServerKey, running.Situated], listener: model.Listener
) -> Iterator[tuple[model.Server, running.Situated | None]]:
    """Servers of the listener that are not as they should be, each with what there is instead."""
    backend = listener.backend
    for server in listener.servers:
        found = servers.get((backend, server.name))
        if found is not server and (
            found is None
            or found.admin is not server.admin
            or found.port != server.port
            or found.address != server.address
        ):
            yield server, found


def farewell(actual: running.Running, wanted: model.Model, keys: tuple[running.ServerKey, ...]) -> tuple[Change, ...]:
    """Commands that keep new requests away from departed servers.

    ``drain`` still honours cookies, so sticky back ends go to maintenance at once; sessions go on in both states.
    """
    sticky = {listener.backend for listener in wanted.listeners if listener.stickiness is not None}
    changes = []
    for key in keys:
        state = model.Admin.MAINT if key[0] in sticky else model.Admin.DRAIN
        if actual.servers[key].admin is model.Admin.READY:
            changes.append(SetState(key, state))
    return tuple(changes)


def removal(departure: Departure, now: float) -> tuple[Change, ...]:
    """Commands for a departed server: nothing while it drains, else its end."""
    gone: tuple[Change, ...] = (SetState(departure.key, model.Admin.MAINT), DeleteServer(departure.key))
    if departure.sessions == 0:
        return gone
    return (ShutdownSessions(departure.key), *gone) if now >= departure.deadline else ()


def release(key: running.ServerKey) -> tuple[Change, ...]:
    """Commands that close the idle connections of a server in maintenance.

    A request that ends in maintenance leaves its connection idle, and HAProxy keeps it for some 15 s, during which the
    server cannot be deleted. Only entering maintenance closes idle connections, so it is entered once more.
    """
    return SetState(key, model.Admin.DRAIN), SetState(key, model.Admin.MAINT)


def _listener(servers: Mapping[running.ServerKey, running.Situated], listener: model.Listener) -> Iterator[Change]:
    backend, placed = listener.backend, False
    found_wrong = [*strays(servers, listener)]
    for server, found in found_wrong:
        if found is None:
            placed = True
            yield AddServer(listener, server)
        elif (found.address, found.port) != (server.address, server.port):
            placed = True
            yield SetAddress((backend, server.name), server.address, server.port)
    if placed and isinstance(listener.stickiness, model.Stickiness):
        yield ComputeCookies(backend)
    # States come last, so that no server takes traffic before its address and cookie are right.
    for server, found in found_wrong:
        admin = found.admin if found is not None else model.Admin.MAINT
        if admin is not server.admin:
            yield SetState((backend, server.name), server.admin)
