"""Random models on a real HAProxy: each burst ends in the last model, and only structural changes reload."""

from __future__ import annotations

import asyncio
import random

from tests.integration.agent.conftest import free_port
from tests.integration.agent.test_apply import count
from tests.property.agent.simulated import expected, structure

from elbflow_agent import meters
from elbflow_agent.haproxy import apply, model, place, runtime

BURSTS = 12


def any_model(rng: random.Random, address: str, ports: list[int]) -> model.Model:
    listeners = []
    for port in sorted(rng.sample(ports, rng.randrange(3))):
        names = sorted(rng.sample([f"i-{number}" for number in range(5)], rng.randrange(5)))
        servers = tuple(
            model.Server(name, f"127.0.0.{rng.randrange(1, 4)}", 9, rng.choice([model.Admin.READY, model.Admin.MAINT]))
            for name in names
        )
        sticky = model.Stickiness("cd" * 16) if rng.random() < 0.3 else None
        listeners.append(model.Listener(port, model.Mode.HTTP, rng.random() < 0.2, False, sticky, servers))
    return model.Model(address, 60, tuple(listeners))


async def test_bursts_of_random_models(
    applier: apply.Applier, address: str, where: place.Place, instruments: meters.Meters
) -> None:
    rng = random.Random()
    ports = [free_port(address) for _ in range(3)]
    current = model.Model(address)
    await applier.converge(current, drain_s=0)
    reloads = 0
    for _ in range(BURSTS):
        burst = [any_model(rng, address, ports) for _ in range(rng.randrange(1, 3))]
        reloads += sum(structure(a) != structure(b) for a, b in zip([current, *burst], burst, strict=False))
        results = await asyncio.gather(*(applier.converge(each, drain_s=0) for each in burst))
        assert all(result.problems == () for result in results)
        current = burst[-1]
        found = await runtime.Runtime(where.admin_socket).observe()
        assert found.tag == results[-1].tag
        state = {key: (one.address, one.port, one.admin) for key, one in found.servers.items()}
        assert state == expected(current)
    assert count(instruments, "reload") == reloads
