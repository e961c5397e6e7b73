"""What a process holds no longer than it needs it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from pathlib import Path

_MADV_DONTNEED = 4
_MAPPINGS = Path("/proc/self/smaps")
_WRITTEN = "Anonymous:", "Swap:"
"""Fields of a mapping that count what is no longer as in its file, in memory and outside."""
_LAST = "VmFlags:"
_NAMED = 6
"""Words of a mapping's first line when it is one of a file; the last is the file's name."""


def give_back() -> None:
    """Return free memory to the system, and let go of the code of libraries that nobody runs now.

    Code comes back from the kernel's cache, page by page, as soon as it runs again; most of it ran at start alone.
    Blocks for some milliseconds. Does nothing where the system has no such functions.
    """
    library = ctypes.CDLL(None)
    advise = getattr(library, "madvise", None)
    if advise is not None and _MAPPINGS.exists():
        with _MAPPINGS.open() as mappings:  # line by line: all of it would take a megabyte
            for start, length in unwritten(mappings):
                advise(ctypes.c_void_p(start), ctypes.c_size_t(length), _MADV_DONTNEED)
    trim = getattr(library, "malloc_trim", None)  # glibc alone has it
    if trim is not None:
        trim(0)


def unwritten(smaps: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Start and length of the mappings of files that nobody may write, and nobody, not even the linker, has written.

    They are what their files are, so no page of them can be lost.
    """
    start = end = 0
    for line in smaps:
        words = line.split()
        if not words[0].endswith(":"):
            start, end = (int(each, 16) for each in words[0].split("-"))
            if len(words) < _NAMED or not words[5].startswith("/") or "w" in words[1] or not words[1].endswith("p"):
                start = end = 0
        elif words[0] in _WRITTEN and words[1] != "0":
            start = end = 0
        elif words[0] == _LAST and end > start:
            yield start, end - start
