"""Many load balancers through the API, as their owners would make them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.scale.books import Books

from elbflow_standalone import aws

PORT = 8080
AT_ONCE = 8
SERVED_S = 120.0
_LOOK_S = 0.25
_TELL_EVERY_S = 10.0


class NotReached(Exception):
    """The stack did not get where it should within the deadline."""


@dataclass(frozen=True)
class Growth:
    """How long it took: until the API had answered all creations, until all was served, until all got traffic."""

    count: int
    created_s: float
    served_s: float
    in_service_s: float


@dataclass
class Fleet:
    """The load balancers that there are. ``instances`` are back ends' addresses, which are instance ids too."""

    elb: aws.Client
    books: Books
    zones: Sequence[str]
    instances: Sequence[str]
    interval_s: int
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        self.names: list[str] = []

    async def grow(self, size: int) -> Growth:
        """Create load balancers until there are ``size``, and wait until each serves its instances."""
        began = time.monotonic()
        new = [f"scale-{number:04d}" for number in range(len(self.names), size)]
        todo = iter(new)
        telling = asyncio.create_task(self._tell(len(new), began))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(self._work_off(todo))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        finally:
            telling.cancel()
        created_s = time.monotonic() - began
        served_s = await self._until(lambda: self.books.behind(len(self.zones)), "load balancers behind", began)
        in_service_s = await self._until(self.books.not_in_service, "instances not in service", began)
        return Growth(len(new), created_s, served_s, in_service_s)

    async def _work_off(self, todo: Iterable[str]) -> None:
        for name in todo:
            await asyncio.to_thread(self._create, name)
            self.names.append(name)

    def _create(self, name: str) -> None:
        listener = {"Protocol": "HTTP", "LoadBalancerPort": PORT, "InstanceProtocol": "HTTP", "InstancePort": 8000}
        self.elb.create_load_balancer(LoadBalancerName=name, Listeners=[listener], AvailabilityZones=list(self.zones))
        self.elb.configure_health_check(LoadBalancerName=name, HealthCheck=health_check(self.interval_s))
        self.elb.register_instances_with_load_balancer(
            LoadBalancerName=name, Instances=[{"InstanceId": one} for one in self.instances]
        )

    async def _tell(self, wanted: int, began: float) -> None:
        before = len(self.names)
        while True:
            await asyncio.sleep(_TELL_EVERY_S)
            done = len(self.names) - before
            self.say(f"  {done} of {wanted} created after {time.monotonic() - began:.0f} s")

    async def _until(self, left: Callable[[], int], what: str, began: float) -> float:
        """Wait until ``left()`` is 0; seconds since ``began``."""
        deadline = time.monotonic() + SERVED_S + 4 * self.interval_s
        told = time.monotonic()
        while count := left():
            if time.monotonic() > deadline:
                raise NotReached(f"{count} {what}")
            if time.monotonic() - told > _TELL_EVERY_S:
                told = time.monotonic()
                self.say(f"  {count} {what}")
            await asyncio.sleep(_LOOK_S)
        return time.monotonic() - began


def health_check(interval_s: int) -> dict[str, object]:
    """A health check of the fleet's back ends."""
    return {
        "Target": "HTTP:8000/",
        "Interval": interval_s,
        "Timeout": 2,
        "UnhealthyThreshold": 2,
        "HealthyThreshold": 2,
    }
