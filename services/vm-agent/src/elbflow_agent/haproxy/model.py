"""What HAProxy shall serve, as frozen values that are valid by construction.

Building a value runs it through :mod:`elbflow_agent.haproxy.safe`; what cannot be represented raises there, so the
renderer and the runtime client never meet a hostile text.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from elbflow_agent.haproxy import safe


class Mode(enum.StrEnum):
    """HAProxy's two proxy modes."""

    HTTP = "http"
    TCP = "tcp"


class Admin(enum.StrEnum):
    """Administrative state of a server, in the words of ``set server … state``."""

    READY = "ready"
    DRAIN = "drain"
    MAINT = "maint"


@dataclass(frozen=True, slots=True)
class Server:
    """One backend instance behind one listener; its name is the instance id."""

    name: str
    address: str
    port: int
    admin: Admin = Admin.MAINT

    def __post_init__(self) -> None:
        safe.server_name(self.name)
        object.__setattr__(self, "address", safe.address(self.address))
        safe.port(self.port)


@dataclass(frozen=True, slots=True)
class Stickiness:
    """Load-balancer cookie ``AWSELB``.

    ``key`` is stable per load balancer: with the instance's address it makes the opaque cookie value, which is the
    same on every VM and after every restart. ``duration_s`` None means a browser-session cookie.
    """

    key: str
    duration_s: int | None = None

    def __post_init__(self) -> None:
        safe.key(self.key)
        if self.duration_s is not None:
            safe.seconds(self.duration_s)


@dataclass(frozen=True, slots=True)
class Listener:
    """One listener with its back end; ``servers`` are sorted by name."""

    port: int
    mode: Mode
    tls_to_servers: bool = False
    proxy_protocol: bool = False
    stickiness: Stickiness | None = None
    servers: tuple[Server, ...] = ()

    def __post_init__(self) -> None:
        safe.port(self.port)
        names = [server.name for server in self.servers]
        if names != sorted(set(names)):
            raise safe.Unrepresentable(f"servers of listener {self.port} are not unique and sorted")

    @property
    def frontend(self) -> str:
        return frontend_name(self.port)

    @property
    def backend(self) -> str:
        return backend_name(self.port)


@dataclass(frozen=True, slots=True)
class Model:
    """Everything one HAProxy serves on one address; ``listeners`` are sorted by port."""

    address: str
    idle_timeout_s: int = 60
    listeners: tuple[Listener, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", safe.address(self.address))
        safe.seconds(self.idle_timeout_s)
        ports = [listener.port for listener in self.listeners]
        if ports != sorted(set(ports)):
            raise safe.Unrepresentable("listeners are not unique and sorted by port")

    @property
    def ports(self) -> frozenset[int]:
        return frozenset(listener.port for listener in self.listeners)

    def without_servers(self) -> Model:
        """The part of the model that only a reload can change."""
        return replace(self, listeners=tuple(replace(each, servers=()) for each in self.listeners))

    def without_ports(self, ports: frozenset[int]) -> Model:
        """The model less some listeners."""
        return replace(self, listeners=tuple(each for each in self.listeners if each.port not in ports))


def frontend_name(port: int) -> str:
    return f"fe-{port}"


def backend_name(port: int) -> str:
    return f"be-{port}"


def port_of(proxy_name: str) -> int | None:
    """Listener port of a frontend or backend name; None for the agent's own proxies."""
    prefix, _, number = proxy_name.partition("-")
    return int(number) if prefix in ("fe", "be") and number.isdecimal() else None
