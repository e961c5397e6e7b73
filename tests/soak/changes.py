"""Random walks through load-balancer documents that leave an instance in service at every step."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tests.soak import back_ends

from elbflow.contract import document

KEY = document.LoadBalancerKey("000000000001", "soak")
HTTP, HTTPS, TCP = document.Protocol.HTTP, document.Protocol.HTTPS, document.Protocol.TCP
ARNS = tuple(f"arn:aws:iam::000000000001:server-certificate/{name}" for name in ("one", "two"))
STICKY = document.Policy("sticky", "LBCookieStickinessPolicyType", (("CookieExpirationPeriod", "60"),))
IDLE_S = (30, 120)
EVERY_RELOAD = 10
"""One change in so many needs a reload."""


@dataclass(frozen=True)
class Ports:
    """The first four are always served, ``extra`` comes and goes, ``taken`` cannot be bound."""

    web: int
    sticky: int
    raw: int
    secure: int
    extra: int
    taken: int

    @classmethod
    def chosen(cls, free: Sequence[int], *, taken: int) -> Ports:
        """``free`` are five ports."""
        web, sticky, raw, secure, extra = free
        return cls(web, sticky, raw, secure, extra, taken)


@dataclass
class Walk:
    """The first instance always stays and is always well: it is what no change may take away from clients."""

    chance: random.Random
    ports: Ports
    instances: back_ends.BackEnds
    generation: int = 0
    reloads: int = 0
    rotations: int = 0
    sick: set[str] = field(default_factory=set)
    current: document.LoadBalancerDocument = field(init=False)

    def __post_init__(self) -> None:
        self.current = self._first()

    async def step(self) -> document.LoadBalancerDocument:
        """The next document; sometimes it is the health of an instance that changes instead."""
        self.generation += 1
        before = self.current
        if self.generation % EVERY_RELOAD == 0:
            changed = self.chance.choice((self._idle_timeout, self._stickiness, self._extra, self._taken))()
            self.reloads += changed != before
        elif self.chance.random() < 0.1:
            await self._health()
            changed = before
        else:
            changed = self.chance.choice((self._membership, self._membership, self._draining, self._certificate))()
        self.current = replace(changed, generation=self.generation)
        return self.current

    def steady(self) -> document.LoadBalancerDocument:
        """The next document, with other members or another certificate."""
        self.generation += 1
        changed = self.chance.choice((self._membership, self._membership, self._certificate))()
        self.current = replace(changed, generation=self.generation)
        return self.current

    @property
    def arn(self) -> str:
        """Certificate of the secure listener."""
        secure = next(each for each in self.current.listeners if each.port == self.ports.secure)
        assert secure.certificate_arn is not None
        return secure.certificate_arn

    def served(self) -> frozenset[int]:
        """Ports on which HAProxy must listen."""
        return frozenset(each.port for each in self.current.listeners) - {self.ports.taken}

    def names(self) -> frozenset[str]:
        """Instances that each back end must have."""
        return frozenset(each.instance_id for each in self.current.backends)

    def _first(self) -> document.LoadBalancerDocument:
        port = self.instances.port
        return document.LoadBalancerDocument(
            KEY,
            0,
            "local-1a",
            listeners=(
                document.Listener(HTTP, self.ports.web, HTTP, port),
                document.Listener(HTTP, self.ports.sticky, HTTP, port, policy_names=("sticky",)),
                document.Listener(TCP, self.ports.raw, TCP, port),
                document.Listener(HTTPS, self.ports.secure, HTTP, port, ARNS[0]),
            ),
            backends=(self._instance(0),),
            health_check=document.HealthCheck(f"HTTP:{port}{back_ends.PING}", 1, 1, 2, 2),
            policies=(STICKY,),
        )

    def _instance(self, number: int) -> document.BackendInstance:
        return document.BackendInstance(f"i-{number:08x}", self.instances.addresses[number])

    def _membership(self) -> document.LoadBalancerDocument:
        toggled = self._instance(self.chance.randrange(1, len(self.instances.addresses)))
        there = set(self.current.backends) ^ {toggled}
        return replace(self.current, backends=tuple(sorted(there, key=lambda one: one.instance_id)))

    async def _health(self) -> None:
        address = self.chance.choice(self.instances.addresses[1:])
        if address in self.sick:
            await self.instances.recover(address)
        else:
            await self.instances.fall_ill(address)
        self.sick ^= {address}

    def _draining(self) -> document.LoadBalancerDocument:
        enabled = self.chance.random() < 0.5
        return self._attributes(draining_enabled=enabled, draining_timeout_s=self.chance.choice((1, 5, 30)))

    def _certificate(self) -> document.LoadBalancerDocument:
        """Another certificate for the listener; it is in force without a reload."""
        self.rotations += 1
        other = ARNS[ARNS.index(self.arn) - 1]
        return self._listeners(
            replace(each, certificate_arn=other) if each.port == self.ports.secure else each
            for each in self.current.listeners
        )

    def _idle_timeout(self) -> document.LoadBalancerDocument:
        return self._attributes(idle_timeout_s=self.chance.randrange(*IDLE_S))

    def _attributes(self, **changes: object) -> document.LoadBalancerDocument:
        return replace(self.current, attributes=replace(self.current.attributes, **changes))  # type: ignore[arg-type]

    def _stickiness(self) -> document.LoadBalancerDocument:
        return self._listeners(
            replace(each, policy_names=() if each.policy_names else ("sticky",))
            if each.port == self.ports.sticky
            else each
            for each in self.current.listeners
        )

    def _extra(self) -> document.LoadBalancerDocument:
        return self._toggled(document.Listener(HTTP, self.ports.extra, HTTP, self.instances.port))

    def _taken(self) -> document.LoadBalancerDocument:
        """Another process listens there: this listener alone has a problem."""
        return self._toggled(document.Listener(TCP, self.ports.taken, TCP, self.instances.port))

    def _toggled(self, listener: document.Listener) -> document.LoadBalancerDocument:
        others = [each for each in self.current.listeners if each.port != listener.port]
        return self._listeners(others if len(others) < len(self.current.listeners) else [*others, listener])

    def _listeners(self, listeners: object) -> document.LoadBalancerDocument:
        return replace(self.current, listeners=tuple(listeners))  # type: ignore[arg-type]
