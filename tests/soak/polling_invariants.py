"""Sails fleets of lanes through random faults: ``python -m tests.soak.polling_invariants --seconds 600``.

Time is virtual. One fleet in two hundred has 500 to 10,000 lanes. What breaks a promise of spec/swf-long-poll-scale 5.1
is printed with its seed and story; ``--seed N --fleets 1`` sails that course again, exactly.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from tests.property.polling.fleet import Plan, sail

LARGE_EVERY = 200


def main() -> int:
    """0 when all promises were kept, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument(
        "--seed", type=int, default=time.time_ns() % 2**32, help="of the first fleet; the next has the next"
    )
    parser.add_argument("--fleets", type=int, default=sys.maxsize, help="stop after so many")
    options = parser.parse_args()
    until = time.monotonic() + options.seconds
    seed, fleets, polls, largest = options.seed, 0, 0, 0
    while fleets < options.fleets and time.monotonic() < until:
        plan = plan_of(seed)
        try:
            fleet = sail(plan)
        except Exception:
            traceback.print_exc()
            sys.stderr.write(f"seed {seed}: python -m tests.soak.polling_invariants --seed {seed} --fleets 1\n")
            return 1
        fleets, seed, polls = fleets + 1, seed + 1, polls + len(fleet.polls.records)
        largest = max(largest, len(fleet.members))
    sys.stdout.write(
        f"{fleets} fleets from seed {options.seed}, up to {largest} lanes, {polls} polls: no promise broken\n"
    )
    return 0


def plan_of(seed: int) -> Plan:
    """The plan of one seed, whoever asks."""
    if seed % LARGE_EVERY:
        return Plan.small(seed)
    return Plan.large(seed, lanes=(500, 2000, 10_000)[seed // LARGE_EVERY % 3])


if __name__ == "__main__":
    sys.exit(main())
