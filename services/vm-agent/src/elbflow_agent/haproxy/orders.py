"""Runtime commands in one line each, and how HAProxy's answer begins when it has obeyed (spec/vm-agent 3.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from elbflow_agent.haproxy import diff, model, render, running, steps

_CHANGES = 500
"""Between two steps."""


@dataclass(frozen=True, slots=True)
class Order:
    """One command. ``success`` are beginnings of the answer; without any, the answer to an obeyed one is empty.

    An empty line follows an answer, but not where ``is_terse``.
    """

    command: str
    success: tuple[str, ...] = ()
    is_terse: bool = False

    def obeyed(self, answer: str) -> bool:
        """Whether ``answer`` says so."""
        return answer.startswith(self.success) if self.success else answer == ""


def of(change: diff.Change) -> Order:
    """The order that carries out ``change``."""
    match change:
        case diff.AddServer(listener, server):
            return add_server(listener.backend, server, render.server_options(listener))
        case diff.ComputeCookies(backend):
            return compute_cookies(backend)
        case diff.SetAddress(key, address, port):
            return set_address(key, address, port)
        case diff.SetState(key, admin):
            return set_state(key, admin)
        case diff.ShutdownSessions(key):
            return shutdown_sessions(key)
        case diff.DeleteServer(key):
            return delete_server(key)


def making(changes: Iterable[diff.Change]) -> steps.Steps[list[Order]]:
    """The orders that carry out ``changes``, in steps."""
    made: list[Order] = []
    known: model.Listener | None = None
    options = ""
    for number, change in enumerate(changes, 1):
        if isinstance(change, diff.AddServer):
            if change.listener is not known:  # all its servers have the same
                known, options = change.listener, render.server_options(change.listener)
            made.append(add_server(known.backend, change.server, options))
        else:
            made.append(of(change))
        if not number % _CHANGES:
            yield _CHANGES
    return made


def add_server(backend: str, server: model.Server, options: str) -> Order:
    """Add a server in maintenance; an existing one is refused."""
    command = f"add server {backend}/{server.name} {server.address}:{server.port} {options}".rstrip()
    return Order(command, ("New server registered.",))


def delete_server(key: running.ServerKey) -> Order:
    """Remove a server that is in maintenance and has no connections."""
    return Order(f"del server {_path(key)}", ("Server deleted.",), is_terse=True)


def set_state(key: running.ServerKey, admin: model.Admin) -> Order:
    return Order(f"set server {_path(key)} state {admin.value}")


def set_address(key: running.ServerKey, address: str, port: int) -> Order:
    """Move a server to another address; sessions in progress stay where they are."""
    command = f"set server {_path(key)} addr {address} port {port}"
    return Order(command, ("IP changed", "port changed", "no need to change"))


def shutdown_sessions(key: running.ServerKey) -> Order:
    """Close every session of a server."""
    return Order(f"shutdown sessions server {_path(key)}")


def compute_cookies(backend: str) -> Order:
    """Give servers that were added at run time their cookie value."""
    return Order(f"enable dynamic-cookie backend {backend}")


def _path(key: running.ServerKey) -> str:
    return f"{key[0]}/{key[1]}"
