"""Shoots random requests at an engine for a while: ``python -m tests.soak.engine_fuzz --seconds 300``."""

from __future__ import annotations

import argparse
import sys
import time

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.property.engine import wire_neighbour, wire_range, wire_requests, wire_shooter


def main() -> int:
    """0 when the engine kept all promises; what it broke is raised, with the shots that did it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    options = parser.parse_args()
    sys.stderr.write(f"seed {options.seed}\n")
    until = time.monotonic() + options.seconds
    with wire_range.engine() as url:
        shooter, neighbour = wire_shooter.Shooter(url, options.seed), wire_neighbour.Neighbour(url)
        neighbour.start()
        swf = wire_range.client(url, "000000000000")
        shots = 0

        @settings(
            max_examples=100,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(volley=st.lists(wire_requests.shots(), min_size=10, max_size=40))
        def shoot(volley: list[wire_requests.Shot]) -> None:
            nonlocal shots
            wire_range.furnish(swf, shooter)
            for shot in volley:
                shooter.shoot(shot)
                shots += 1

        seed = options.seed
        while time.monotonic() < until:
            hypothesis.seed(seed)(shoot)()
            seed += 1
        shooter.close()
        neighbour.finish()
        checked = wire_range.check_histories(swf)
    sys.stderr.write(
        f"{shots} shots; accepted {sum(shooter.accepted.values())} of {len(shooter.accepted)} operations; "
        f"{checked} histories valid; neighbour: {neighbour.cycles} cycles, longest {neighbour.longest_s:.2f} s\n"
        f"refused: {dict(shooter.codes)}\n"
        f"accepted: {dict(shooter.accepted)}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
