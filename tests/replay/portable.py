"""Prints all that workflows decide: run under several Pythons and hash seeds, it must print the same bytes.

Recorded histories are replayed; scenarios of plain asyncio, programs of cancellations and cancelled sets of tasks are
decided anew.
"""

from __future__ import annotations

import gc
import pathlib
import sys

from tests.property.flow import hash_seed_program, loops, record_counting, scenarios
from tests.replay.flow.provision import HISTORIES, Provision

from elbflow.flow.replaying import replay_histories
from elbflow_decider import workflows

RECORDED = pathlib.Path(__file__).with_name("histories")


def main() -> int:
    sound = True
    for classes, directory in (((Provision,), HISTORIES), (workflows.ALL, RECORDED)):
        report = replay_histories(classes, directory)
        sys.stdout.write(f"{report}\n")
        sound = sound and report.ok
    hash_seed_program.main()
    for name in scenarios.ANYWHERE:
        noted, decided = loops.on_flow(name)
        sys.stdout.write("\n".join([name, *noted, *decided, ""]))
        if len(noted) % 2:
            gc.collect()
    for program, _ in record_counting.read()[::5]:
        sys.stdout.write("\n".join([*loops.counted(program), ""]))
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
