"""What HAProxy shall serve, as frozen values that are valid by construction.

Building a value runs it through :mod:`elbflow_agent.haproxy.safe`; what cannot be represented raises there, so the
renderer and the runtime client never meet a hostile text.
"""

from __future__ import annotations

import enum
import hmac
from dataclasses import dataclass, field, replace

from elbflow_agent.haproxy import logs, safe


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

    def behind(self, port: int, admin: Admin) -> Server:
        """The same instance behind another listener. What one looked at once need not be looked at for each of them."""
        made = object.__new__(Server)
        _set_name(made, self.name)
        _set_address(made, self.address)
        _set_port(made, port if port == self.port else safe.port(port))
        _set_admin(made, admin)
        return made


# Frozen for everybody else; this is the shortest way past it, taken a hundred thousand times.
_set_name, _set_address, _set_port, _set_admin = (
    vars(Server)[each].__set__ for each in ("name", "address", "port", "admin")
)


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
class AppStickiness:
    """``AWSELB`` that follows the application's own cookie ``cookie``; ``key`` as for :class:`Stickiness`."""

    key: str
    cookie: str

    def __post_init__(self) -> None:
        safe.key(self.key)
        safe.cookie_name(self.cookie)

    def value(self, server: str) -> str:
        """The opaque value of ``AWSELB`` for a server; HAProxy computes the same."""
        return hmac.digest(self.key.encode(), server.encode(), "sha256").hex()[:32]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A certificate by which HAProxy accepts servers; ``leaf`` is its SHA-1 as HAProxy shows it."""

    leaf: str
    pem: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        safe.leaf(self.leaf)


class Desync(enum.StrEnum):
    """What happens to HTTP requests that servers could read differently."""

    MONITOR = "monitor"
    DEFENSIVE = "defensive"
    STRICTEST = "strictest"


class TlsVersion(enum.StrEnum):
    """Versions of TLS that may be offered, in HAProxy's spelling and in this order."""

    V1_0 = "TLSv1.0"
    V1_1 = "TLSv1.1"
    V1_2 = "TLSv1.2"
    V1_3 = "TLSv1.3"


@dataclass(frozen=True, slots=True)
class Tls:
    """How clients are met with TLS: versions from ``oldest`` to ``newest``, ``ciphers`` in order of preference.

    ``legacy`` admits what OpenSSL 3 by itself holds for too weak: versions before 1.2, signatures with SHA-1.
    """

    oldest: TlsVersion
    newest: TlsVersion
    ciphers: tuple[str, ...]
    server_order: bool = True
    legacy: bool = False

    def __post_init__(self) -> None:
        versions = list(TlsVersion)
        if versions.index(self.oldest) > versions.index(self.newest):
            raise safe.Unrepresentable(f"there is no TLS version from {self.oldest} to {self.newest}")
        for cipher in self.ciphers:
            safe.cipher(cipher)
        if not self.ciphers or len(set(self.ciphers)) < len(self.ciphers):
            raise safe.Unrepresentable("ciphers are not unique, or there are none")


@dataclass(frozen=True, slots=True)
class Certificate:
    """What identifies a listener's certificate without its key.

    ``fingerprint`` is the SHA-256 of the whole content with chain and key, ``leaf`` the leaf's SHA-1 as HAProxy shows
    it.
    """

    fingerprint: str
    leaf: str

    def __post_init__(self) -> None:
        safe.key(self.fingerprint)
        safe.leaf(self.leaf)


@dataclass(frozen=True, slots=True)
class Listener:
    """One listener with its back end; ``servers`` are sorted by name.

    A listener with ``tls`` has a ``certificate``; without one it is the part that only a reload can change.
    ``anchors`` not None means that servers must prove their public key, even while none of them can.
    ``server_connections`` bounds the connections of each server, 0 does not; what is beyond waits.
    """

    port: int
    mode: Mode
    tls_to_servers: bool = False
    proxy_protocol: bool = False
    stickiness: Stickiness | AppStickiness | None = None
    servers: tuple[Server, ...] = ()
    tls: Tls | None = None
    certificate: Certificate | None = None
    anchors: tuple[Anchor, ...] | None = None
    server_connections: int = 0

    def __post_init__(self) -> None:
        safe.port(self.port)
        safe.count(self.server_connections)
        if self.anchors is not None and not self.tls_to_servers:
            raise safe.Unrepresentable(f"servers of listener {self.port} prove nothing without TLS")
        if self.stickiness is not None and self.mode is not Mode.HTTP:
            raise safe.Unrepresentable(f"listener {self.port} has no cookies")
        if self.certificate is not None and self.tls is None:
            raise safe.Unrepresentable(f"listener {self.port} has a certificate but no use for it")
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
    """Everything one HAProxy serves; ``listeners`` are sorted by port.

    All of them listen on ``address`` and on ``more_addresses``, which may be IPv6.
    """

    address: str
    idle_timeout_s: int = 60
    listeners: tuple[Listener, ...] = ()
    logging: logs.Logging = logs.Logging.NONE
    desync: Desync = Desync.DEFENSIVE
    more_addresses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", safe.address(self.address))
        if self.more_addresses:
            object.__setattr__(self, "more_addresses", tuple(map(safe.listening_address, self.more_addresses)))
        if len(set(self.addresses)) < len(self.addresses):
            raise safe.Unrepresentable(f"{', '.join(self.addresses)}: an address is there twice")
        safe.seconds(self.idle_timeout_s)
        ports = [listener.port for listener in self.listeners]
        if ports != sorted(set(ports)):
            raise safe.Unrepresentable("listeners are not unique and sorted by port")

    @property
    def addresses(self) -> tuple[str, ...]:
        """All addresses that listeners are bound to, the main one first."""
        return (self.address, *self.more_addresses)

    @property
    def ports(self) -> frozenset[int]:
        return frozenset(listener.port for listener in self.listeners)

    def without_servers(self) -> Model:
        """The part of the model that only a reload can change."""
        listeners = (
            replace(each, servers=(), certificate=None, anchors=None if each.anchors is None else ())
            for each in self.listeners
        )
        return replace(self, listeners=tuple(listeners))

    @property
    def routes(self) -> dict[str, str]:
        """Servers of listeners that follow application cookies, by the value of ``AWSELB``."""
        names: dict[str, dict[str, AppStickiness]] = {}  # of a key, which all listeners have in common
        for each in self.listeners:
            if isinstance(each.stickiness, AppStickiness):
                names.setdefault(each.stickiness.key, {}).update(
                    dict.fromkeys((server.name for server in each.servers), each.stickiness)
                )
        return {followed.value(name): name for known in names.values() for name, followed in known.items()}

    @property
    def anchors(self) -> dict[int, tuple[Anchor, ...]]:
        """What servers are accepted by, by the port of their listener."""
        return {each.port: each.anchors for each in self.listeners if each.anchors is not None}

    @property
    def certificates(self) -> dict[int, Certificate]:
        """Certificates by the port of their listener."""
        return {each.port: each.certificate for each in self.listeners if each.certificate is not None}

    def without_ports(self, ports: frozenset[int]) -> Model:
        """The model less some listeners."""
        if not ports:
            return self
        return replace(self, listeners=tuple(each for each in self.listeners if each.port not in ports))


def frontend_name(port: int) -> str:
    return f"fe-{port}"


def backend_name(port: int) -> str:
    return f"be-{port}"


def port_of(proxy_name: str) -> int | None:
    """Listener port of a frontend or backend name; None for the agent's own proxies."""
    prefix, _, number = proxy_name.partition("-")
    return int(number) if prefix in ("fe", "be") and number.isdecimal() else None
