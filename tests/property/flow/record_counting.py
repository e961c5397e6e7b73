"""Records what Python 3.13's own asyncio makes of random programs of cancellations.

``python3.13 -m tests.property.flow.record_counting`` writes ``counted_by_3_13.json``: programs and their courses. It
keeps those of which Python 3.11 and 3.12 would make something else (``OTHERS`` names an interpreter), and some more.
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import subprocess
import sys

from tests.property.flow import cancel_programs, loops

RECORDED = pathlib.Path(__file__).with_name("counted_by_3_13.json")
SEEDS = range(3_000)
MOST_STEPS = 60
PLAIN = 100


def courses() -> list[tuple[cancel_programs.Program, list[str]]]:
    programs = [cancel_programs.draw(random.Random(seed)) for seed in SEEDS]
    return [(program, loops.on_asyncio(cancel_programs.player(program))) for program in programs]


def read() -> list[tuple[cancel_programs.Program, list[str]]]:
    return [(program, course) for program, course in json.loads(RECORDED.read_text())]


def main() -> None:
    mine = courses()
    if "--print" in sys.argv:
        json.dump(mine, sys.stdout)
        return
    assert sys.version_info[:2] == (3, 13), "what 3.13 does is to be recorded"
    other = subprocess.run(
        [os.environ["OTHERS"], "-m", __spec__.name, "--print"], capture_output=True, text=True, check=True
    )
    kept, plain = [], 0
    for (program, course), (_, otherwise) in zip(mine, json.loads(other.stdout), strict=True):
        differs = course != otherwise
        if len(course) <= MOST_STEPS and (differs or plain < PLAIN):
            kept.append(json.dumps([program, course], separators=(",", ":")))
            plain += not differs
    RECORDED.write_text("[\n" + ",\n".join(kept) + "\n]\n")
    sys.stdout.write(f"{len(kept)} programs, {len(kept) - plain} of them peculiar to newer Pythons\n")


if __name__ == "__main__":
    main()
