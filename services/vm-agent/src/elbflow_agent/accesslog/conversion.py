"""A part's lines as AWS's, made by a short-lived process (spec/vm-agent-data-plane 6.3).

It has the interpreter to itself. It writes the lines to its standard output, and when it has succeeded one line to its
standard error: how many there are, and how many lines of the part could not be read. Its imports are few, for they cost
more than most parts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from elbflow_agent.accesslog import lines

_AT_ONCE = 256 * 1024


def convert(part: BinaryIO, name: str, to: BinaryIO) -> Iterator[tuple[int, int]]:
    """Write the lines of ``part`` as those of load balancer ``name``; after some of them how many, and how many not."""
    part.readline()
    rest = b""
    while chunk := part.read(_AT_ONCE):
        whole, end, rest = (rest + chunk).rpartition(b"\n")
        done = lines.convert(whole + end, name)
        to.write(done.body)
        yield done.lines, done.unreadable
    done = lines.convert(rest, name)
    to.write(done.body)
    yield done.lines, done.unreadable


def main(arguments: Sequence[str]) -> None:
    """Convert the file that the first argument names, for the load balancer that the second one names.

    The third one is the process that wants it. Without that one nobody does.
    """
    path, name, parent = arguments
    written = unreadable = 0
    with open(path, "rb") as part, open(1, "wb", closefd=False) as to:
        for good, bad in convert(part, name, to):
            if os.getppid() != int(parent):
                return
            written, unreadable = written + good, unreadable + bad
    sys.stderr.write(f"{written} {unreadable}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
