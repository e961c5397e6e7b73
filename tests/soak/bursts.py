"""Random bursts of changes on one HAProxy: each must end in the last of them, with no reload lost and none too many.

.venv/bin/python -m tests.soak.bursts --bursts 1000 --seed 1

The changes of a burst come at random distances, also those at which HAProxy 2.6 by itself loses a reload
(spec/perf-baselines facts 7 and 8). What runs is compared with the model from its own words, and with its file.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import prometheus_client
import structlog
import uvloop
from tests.property.agent.simulated import expected, structure
from tests.soak.data_plane import free_ports, say

from elbflow import clock
from elbflow_agent import meters
from elbflow_agent.haproxy import apply, master, model, place, render, runtime

BINARY = "haproxy"
LIMITS = place.Limits(1000, 5)
LONGEST_DISTANCE_S = 0.06


def any_model(rng: random.Random, address: str, ports: list[int]) -> model.Model:
    """Up to two listeners with up to four servers; one in three changes concerns members alone."""
    listeners = []
    for port in sorted(rng.sample(ports, rng.randrange(3))):
        names = sorted(rng.sample([f"i-{number}" for number in range(5)], rng.randrange(5)))
        servers = tuple(
            model.Server(name, f"127.0.0.{rng.randrange(1, 4)}", 9, rng.choice([model.Admin.READY, model.Admin.MAINT]))
            for name in names
        )
        sticky = model.Stickiness("cd" * 16) if rng.random() < 0.3 else None
        listeners.append(
            model.Listener(port, model.Mode.HTTP, tls_to_servers=rng.random() < 0.2, stickiness=sticky, servers=servers)
        )
    return model.Model(address, rng.choice([60, 60, 61]), tuple(listeners))


@dataclass
class Bursts:
    """A HAProxy at ``where`` under random bursts. ``current`` is what it should serve."""

    rng: random.Random
    where: place.Place
    applier: apply.Applier
    ports: list[int]
    current: model.Model
    reloads: int = 0
    changes: int = 0
    _sent: list[model.Model] = field(default_factory=list)

    async def burst(self, most: int) -> None:
        """Up to ``most`` changes, of which each may come before the one before it is done."""
        self._sent = [self.current]
        results = await asyncio.gather(*(self._change(number) for number in range(self.rng.randint(1, most))))
        assert all(result.problems == () for result in results)
        self.changes += len(results)
        self.current = self._sent[-1]
        pairs = zip(self._sent, self._sent[1:], strict=False)
        needed = sum(structure(before) != structure(after) for before, after in pairs)
        made = sum(result.restructured for result in results)
        assert made == needed, (made, needed)
        self.reloads += made
        await self._compare()

    async def _change(self, number: int) -> apply.Convergence:
        await asyncio.sleep(number * self.rng.uniform(0, LONGEST_DISTANCE_S))
        wanted = any_model(self.rng, self.current.address, self.ports)
        self._sent.append(wanted)
        return await self.applier.converge(wanted, drain_s=0)

    async def _compare(self) -> None:
        found = await runtime.Runtime(self.where.admin_socket).observe()
        assert found.tag == render.tag(self.current, self.where, LIMITS.fitted())
        assert found.ports == self.current.ports
        state = {key: (one.address, one.port, one.admin) for key, one in found.servers.items()}
        assert state == expected(self.current)
        text = await asyncio.to_thread(self.where.configuration.read_text)
        assert text == render.render(self.current, self.where, LIMITS.fitted())


def differences(instruments: meters.Meters) -> float:
    """How often HAProxy was found to differ from what it should be."""
    samples = (sample for family in instruments.differences.collect() for sample in family.samples)
    return sum(each.value for each in samples if each.name.endswith("_total"))


async def soak(directory: Path, seed: int, number: int) -> str:
    """``number`` bursts; what was done, in one line."""
    rng, where = random.Random(seed), place.Place(directory / "vm")
    await asyncio.to_thread(where.prepare)
    instruments = meters.Meters(prometheus_client.CollectorRegistry())
    time_ = clock.SystemClock()
    applier = apply.Applier(where, binary=BINARY, limits=LIMITS.fitted(), time=time_, instruments=instruments)
    address, began = f"127.{rng.randrange(100, 250)}.{rng.randrange(1, 250)}.1", time.monotonic()
    run = Bursts(rng, where, applier, free_ports(address, 3), model.Model(address))
    try:
        await applier.converge(run.current, drain_s=0)
        for count in range(1, number + 1):
            await run.burst(4)
            if count % 100 == 0:
                say(f"{count} bursts: {run.changes} changes, {run.reloads} reloads")
        old = (await master.Master(where, binary=BINARY, time=time_).processes()).old_workers
        assert differences(instruments) == 0
    finally:
        await applier.stop(soft_s=0.05)
    spent = time.monotonic() - began
    return (
        f"{number} bursts of {run.changes} changes with {run.reloads} reloads from seed {seed}: each ended in its last "
        f"change; {len(old)} old workers at the end; {spent:.0f} s"
    )


def main() -> int:
    """0 when every burst ended as it should, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bursts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="elb", dir="/tmp") as directory:
        try:
            done = uvloop.run(soak(Path(directory), options.seed, options.bursts))
        except Exception as error:
            error.add_note(f"python -m tests.soak.bursts --seed {options.seed}")
            raise
    sys.stdout.write(f"{done}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
