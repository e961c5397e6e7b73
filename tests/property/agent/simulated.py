"""A HAProxy that exists only in a test: the runtime API's rules as HAProxy 2.6 enforces them, nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from elbflow_agent.haproxy import diff, model, running


class Rejected(AssertionError):
    """HAProxy would have refused the command."""


@dataclass
class SimulatedServer:
    address: str
    port: int
    admin: model.Admin
    cookie: bool = False
    sessions: int = 0


@dataclass
class SimulatedHaproxy:
    """Servers by backend and name. ``sticky`` backends compute cookies at load and when told to."""

    tag: str = ""
    ports: frozenset[int] = frozenset()
    sticky: frozenset[str] = frozenset()
    servers: dict[running.ServerKey, SimulatedServer] = field(default_factory=dict)

    def load(self, tag: str, wanted: model.Model) -> None:
        """Start or reload with a configuration file."""
        self.tag = tag
        self.ports = wanted.ports
        self.sticky = frozenset(each.backend for each in wanted.listeners if each.stickiness is not None)
        self.servers = {
            (listener.backend, server.name): SimulatedServer(
                server.address, server.port, server.admin, cookie=listener.backend in self.sticky
            )
            for listener in wanted.listeners
            for server in listener.servers
        }

    def observe(self) -> running.Running:
        found = {key: running.RunningServer(one.address, one.port, one.admin) for key, one in self.servers.items()}
        return running.Running(self.tag, 1, found, self.ports)

    def carry_out(self, change: diff.Change) -> None:
        match change:
            case diff.AddServer(listener, server):
                key = (listener.backend, server.name)
                if key in self.servers:
                    raise Rejected(f"{key} exists")
                self.servers[key] = SimulatedServer(server.address, server.port, model.Admin.MAINT)
            case diff.ComputeCookies(backend):
                if backend not in self.sticky:
                    raise Rejected(f"{backend} has no cookies")
                for key, one in self.servers.items():
                    one.cookie = one.cookie or key[0] == backend
            case diff.SetAddress(key, address, port):
                moved = self._find(key)
                moved.address, moved.port, moved.cookie = address, port, False
            case diff.SetState(key, admin):
                one = self._find(key)
                one.admin = admin
                if admin is model.Admin.READY and key[0] in self.sticky and not one.cookie:
                    raise Rejected(f"{key} takes traffic without a cookie")
            case diff.ShutdownSessions(key):
                self._find(key).sessions = 0
            case diff.DeleteServer(key):
                one = self._find(key)
                if one.admin is not model.Admin.MAINT or one.sessions:
                    raise Rejected(f"{key} cannot be deleted")
                del self.servers[key]

    def state(self) -> dict[running.ServerKey, tuple[str, int, model.Admin]]:
        return {key: (one.address, one.port, one.admin) for key, one in self.servers.items()}

    def _find(self, key: running.ServerKey) -> SimulatedServer:
        if key not in self.servers:
            raise Rejected(f"no server {key}")
        return self.servers[key]


def expected(wanted: model.Model) -> dict[running.ServerKey, tuple[str, int, model.Admin]]:
    """The servers that a HAProxy serving ``wanted`` has."""
    return {
        (listener.backend, server.name): (server.address, server.port, server.admin)
        for listener in wanted.listeners
        for server in listener.servers
    }


def structure(wanted: model.Model) -> model.Model:
    """What only a reload can change, with the options that stand on server lines."""
    return replace(wanted, listeners=tuple(replace(each, servers=()) for each in wanted.listeners))
