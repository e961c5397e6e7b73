"""The engine under observation: as the installed program runs it, with one thing changed or watched.

python -m tests.bench.engine_child [--as-is] [--stock-collector] [--slower-disk S] [--profile FILE] serve ...

``--stock-collector`` undoes the collector's tuning. ``--slower-disk`` adds seconds to every commit. ``--profile``
samples the loop's thread every millisecond of CPU time of the process and writes the functions by own time; it costs a
few per cent. SIGUSR1 runs a full collection.
"""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from elbflow.service import interpreter
from elbflow_engine import __main__ as program
from elbflow_engine import core
from elbflow_engine.journal import database

SAMPLE_S = 0.001


class Sampler:
    """Counts in which function the main thread is, and in which lines below ``elbflow`` it got there."""

    def __init__(self) -> None:
        self.own: Counter[str] = Counter()
        self.within: Counter[str] = Counter()

    def start(self) -> None:
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_S, SAMPLE_S)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def write(self, path: Path, most: int = 60) -> None:
        total = max(1, self.own.total())
        for title, counts in (("own time", self.own), ("time with callees", self.within)):
            lines = [f"{100 * count / total:6.2f} %  {name}" for name, count in counts.most_common(most)]
            with path.open("a") as file:
                file.write(f"{title}, {total} samples\n" + "\n".join(lines) + "\n\n")

    def _sample(self, number: int, frame: FrameType | None) -> None:
        if frame is None:
            return
        self.own[_name(frame)] += 1
        seen = set()
        while frame is not None:
            seen.add(_name(frame))
            frame = frame.f_back
        self.within.update(seen)


def _name(frame: FrameType) -> str:
    code = frame.f_code
    return f"{'/'.join(code.co_filename.split('/')[-2:])}:{code.co_firstlineno} {code.co_qualname}"


def _untuned() -> None:
    """Leave the collector as the interpreter starts with it."""


def _slow_down(by_s: float) -> None:
    """Let every commit take ``by_s`` seconds longer, as on a slower disk."""
    commit = database.Database.commit

    def slower(book: database.Database, group: Sequence[Sequence[core.Change]]) -> None:
        time.sleep(by_s)
        commit(book, group)

    setattr(database.Database, commit.__name__, slower)


def _collect(number: int, frame: FrameType | None) -> None:
    gc.collect()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stock-collector", action="store_true")
    parser.add_argument("--as-is", action="store_true", help="change nothing; SIGUSR1 works")
    parser.add_argument("--slower-disk", type=float, metavar="S")
    parser.add_argument("--profile", type=Path)
    options, rest = parser.parse_known_args()
    if options.stock_collector:
        interpreter.tune = interpreter.freeze = _untuned
    if options.slower_disk:
        _slow_down(options.slower_disk)
    signal.signal(signal.SIGUSR1, _collect)
    if options.profile is None:
        return program.main(rest)
    sampler = Sampler()
    sampler.start()
    try:
        return program.main(rest)
    finally:
        sampler.stop()
        sampler.write(options.profile)


if __name__ == "__main__":
    sys.exit(main())
