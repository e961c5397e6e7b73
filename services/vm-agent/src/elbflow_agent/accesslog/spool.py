"""Log lines on disk until they are stored: bounded, and found again after any crash (spec/vm-agent REQ-6.2).

A part is one file: a first line that says what it is for, then HAProxy's lines. Its object's key is fixed when it
begins, so storing it a second time replaces the object by itself. Lines get from HAProxy's pipe into the file inside
the kernel: there is no instant at which a killed agent holds any.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pydantic
import structlog

from elbflow.contract import document
from elbflow_agent.accesslog import naming
from elbflow_agent.accesslog.pipe import Pipe

_log = structlog.get_logger(__name__)
_OPEN, _READY = ".open", ".ready"
_MOST_IN_PART = 16 * 1024 * 1024
_LOOKED_AT = 32 * 1024
_LONGEST_HEADER = 8192
_STALE_S = 3600
_MINUTE_S = 60
_CLOCK_SLACK_S = 5
_GREED = 8
"""A VM may have so many times of the spool what nobody has: one that cannot store leaves room for all others."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one load balancer's lines go, and how often."""

    account: str
    name: str
    bucket: str
    prefix: str
    interval_min: int

    @classmethod
    def of(cls, wanted: document.LoadBalancerDocument | None) -> Destination | None:
        """What the document says; None while access logs are off."""
        if wanted is None or not wanted.attributes.access_log_enabled or not wanted.attributes.access_log_bucket:
            return None
        asked = wanted.attributes
        return cls(
            wanted.key.account,
            wanted.key.name,
            asked.access_log_bucket or "",
            asked.access_log_prefix,
            asked.access_log_interval_min,
        )


@dataclass(frozen=True, slots=True)
class Header:
    """First line of a part. ``end`` is in epoch seconds."""

    destination: Destination
    key: str
    end: int


_HEADER = pydantic.TypeAdapter(Header)


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken from a pipe: how many bytes, and the first of them, to measure."""

    size: int = 0
    seen: bytes = b""


class Spool:
    """The parts of all VMs of a process in one directory of at most ``cap_bytes``. All methods block."""

    def __init__(self, directory: Path, *, cap_bytes: int, region: str, rng: random.Random) -> None:
        self.directory = directory
        self.region = region
        self.rng = rng
        self._cap_bytes = cap_bytes
        self._sizes: dict[str, int] = {}
        self._used: Counter[str] = Counter()
        self._counting = threading.Lock()  # parts of many VMs are written in many threads

    @property
    def used_bytes(self) -> int:
        with self._counting:
            return self._used.total()

    def full(self, owner: str) -> bool:
        """Whether this VM has all that it may have."""
        with self._counting:
            return self._used[owner] >= _GREED * (self._cap_bytes - self._used.total())

    def filling(self) -> bool:
        """Whether so much is waiting that it must be stored before other work."""
        return 2 * self.used_bytes >= self._cap_bytes

    def prepare(self, now: float) -> list[Path]:
        """Make the directory and return the parts that wait to be stored, also those of VMs that are no more."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self.directory.glob(f"*{_OPEN}"):
            header = read_header(path)
            if header is None or header.end + _STALE_S < now:
                self.finish(path)
        for path in self.directory.iterdir():
            self.count(path, path.stat().st_size)
        return sorted(self.directory.glob(f"*{_READY}"))

    def count(self, path: Path, size: int) -> None:
        """Note how large a part is, 0 when it is no more."""
        owner = _owner(path)
        with self._counting:
            self._used[owner] += size - self._sizes.pop(path.name, 0)
            if size:
                self._sizes[path.name] = size
            if not self._used[owner]:
                del self._used[owner]

    def finish(self, path: Path) -> Path | None:
        """Close a part for good: the file to be stored, or None when there is no line in it."""
        self.count(path, 0)
        size = path.stat().st_size
        header = read_header(path)
        if header is None:
            _log.error("access_log_part_unreadable", file=path.name, bytes=size)
            path.unlink()
            return None
        with open(path, "rb") as file:
            empty = not file.readline() or not file.read(1)
        if empty:
            path.unlink()
            return None
        ready = path.with_suffix(_READY)
        path.rename(ready)
        self.count(ready, size)
        return ready

    def forget(self, path: Path) -> None:
        """Remove a part that is stored."""
        path.unlink(missing_ok=True)
        self.count(path, 0)

    def find_open(self, owner: str) -> list[Path]:
        """Parts that an earlier process left open for this VM."""
        # No pattern: Python would keep a KiB for that of each VM.
        return sorted(path for path in self.directory.iterdir() if path.suffix == _OPEN and _owner(path) == owner)


class Journal:
    """The open part of one VM. All methods block, and only one runs at a time."""

    def __init__(self, spool: Spool, owner: str, address: str) -> None:
        self._spool = spool
        self._owner = owner
        self._address = address
        self._path: Path | None = None
        self._header: Header | None = None
        self._file = -1
        self._size = 0
        self._cut = False

    @property
    def path(self) -> Path | None:
        return self._path

    @property
    def end(self) -> int | None:
        """When the open part's interval ends, in epoch seconds; None without one."""
        return self._header.end if self._header is not None else None

    def over(self, now: float) -> bool:
        """Whether the open part's interval has ended, or has not begun because the clock went back."""
        return self._header is not None and not _is_current(self._header, now)

    def resume(self, destination: Destination | None, now: float) -> list[Path]:
        """Go on with what an earlier process left open if it still fits; the parts that are to be stored."""
        ready = []
        for path in self._spool.find_open(self._owner):
            header = read_header(path)
            fits = header is not None and header.destination == destination and _is_current(header, now)
            if fits and header is not None and self._path is None:
                self._adopt(path, header)
            elif (finished := self._spool.finish(path)) is not None:
                ready.append(finished)
        return ready

    def take(self, pipe: Pipe, destination: Destination, now: float) -> Taken:
        """Move what is in the pipe to the part of this interval, one mebibyte at most."""
        if self._path is None:
            self._begin(destination, now)
        if self._cut:
            self._end_line()
        moved = pipe.move(self._file, self._size)
        if not moved:
            return Taken()
        start, self._size = self._size, self._size + moved
        if self._path is not None:
            self._spool.count(self._path, self._size)
        return Taken(moved, os.pread(self._file, min(moved, _LOOKED_AT), start))

    def skip(self) -> None:
        """What comes next follows lines that were dropped."""
        self._cut = True

    def whole(self) -> bool:
        """Whether the part ends with a whole line."""
        return self._size == 0 or os.pread(self._file, 1, self._size - 1) == b"\n"

    def grown(self) -> bool:
        """Whether the part is as large as one object should be."""
        return self._size >= _MOST_IN_PART

    def close(self) -> Path | None:
        """End the part; the file to be stored, or None when it has no lines."""
        path, self._path, self._header = self._path, None, None
        if path is None:
            return None
        os.close(self._file)
        self._file, self._size = -1, 0
        return self._spool.finish(path)

    def leave(self) -> None:
        """Let go of the part and keep it open for the next process."""
        if self._path is not None:
            os.close(self._file)
            self._path, self._header, self._file, self._size = None, None, -1, 0

    def _begin(self, destination: Destination, now: float) -> None:
        end = naming.interval_end(now, destination.interval_min)
        suffix = naming.suffix(self._spool.rng)
        key = naming.object_key(
            prefix=destination.prefix,
            account=destination.account,
            region=self._spool.region,
            name=destination.name,
            end=end,
            address=self._address,
            suffix=suffix,
        )
        path = self._spool.directory / f"{self._owner}.{end}-{suffix}{_OPEN}"
        header = Header(destination, key, end)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(_HEADER.dump_json(header) + b"\n")
            self._adopt(path, header)
        except OSError:
            path.unlink()  # on a full disk the next attempt, soon, would make another one
            raise

    def _end_line(self) -> None:
        if not self.whole():
            self._size += os.pwrite(self._file, b"\n", self._size)
        self._cut = False

    def _adopt(self, path: Path, header: Header) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._size = os.fstat(self._file).st_size
        self._path, self._header = path, header
        self._spool.count(path, self._size)


def _owner(path: Path) -> str:
    return path.name.partition(".")[0]


def _is_current(header: Header, now: float) -> bool:
    begins = header.end - header.destination.interval_min * _MINUTE_S
    return begins - _CLOCK_SLACK_S <= now < header.end


def read_header(path: Path) -> Header | None:
    """What a part is for, or None when its first line does not say."""
    with open(path, "rb") as file:
        line = file.readline(_LONGEST_HEADER)
    try:
        return _HEADER.validate_json(line) if line.endswith(b"\n") else None
    except pydantic.ValidationError:
        return None
