"""Parts on disk: begun, found again, closed, bounded."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from elbflow.contract import document
from elbflow_agent.accesslog import spool
from elbflow_agent.accesslog.pipe import Pipe
from elbflow_agent.haproxy import logs

KEY = document.LoadBalancerKey("000000000001", "web")
TO = spool.Destination(KEY.account, KEY.name, "logs", "p", 5)
LINE = b'["H",0,1,200,"--",0,0]\n'


@pytest.fixture
def parts(tmp_path: Path) -> spool.Spool:
    made = spool.Spool(tmp_path / "spool", cap_bytes=1000, region="home-1", rng=random.Random(1))
    assert made.prepare(0.0) == []
    return made


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    path = tmp_path / "pipe"
    for each in (path, logs.taken(path)):
        os.mkfifo(each)
    made = Pipe(path)
    yield made
    made.close()


@pytest.fixture
def writer(tmp_path: Path, pipe: Pipe) -> Iterator[int]:
    """As HAProxy has it."""
    made = os.open(tmp_path / "pipe", os.O_RDWR)
    yield made
    os.close(made)


def journal(parts: spool.Spool) -> spool.Journal:
    return spool.Journal(parts, "i-1", "10.0.0.9")


def content(path: Path | None) -> bytes:
    assert path is not None
    return path.read_bytes().partition(b"\n")[2]


def test_lines_go_from_the_pipe_to_the_part(parts: spool.Spool, pipe: Pipe, writer: int) -> None:
    one = journal(parts)
    assert one.take(pipe, TO, 100.0) == spool.Taken()
    os.write(writer, LINE * 3)
    assert one.take(pipe, TO, 100.0) == spool.Taken(3 * len(LINE), LINE * 3)
    assert pipe.waiting() == 0
    assert one.end == 300
    os.write(writer, LINE[:5])
    one.take(pipe, TO, 100.0)
    assert not one.whole()
    os.write(writer, LINE[5:])
    one.take(pipe, TO, 100.0)
    assert one.whole()
    ready = one.close()
    assert content(ready) == LINE * 4
    assert ready is not None
    assert parts.prepare(100.0) == [ready]
    assert parts.used_bytes == ready.stat().st_size
    parts.forget(ready)
    assert (parts.used_bytes, os.listdir(parts.directory)) == (0, [])


def test_what_a_killed_process_had_taken_comes_first(
    parts: spool.Spool, pipe: Pipe, writer: int, tmp_path: Path
) -> None:
    taken = os.open(logs.taken(tmp_path / "pipe"), os.O_RDWR)
    os.write(taken, LINE)
    os.write(writer, b'["T"]\n')
    later = Pipe(tmp_path / "pipe")
    one = journal(parts)
    while later.waiting():
        one.take(later, TO, 100.0)
    later.close()
    os.close(taken)
    assert content(one.close()) == LINE + b'["T"]\n'


def test_a_part_is_continued_by_the_next_process(parts: spool.Spool, pipe: Pipe, writer: int) -> None:
    os.write(writer, LINE)
    journal(parts).take(pipe, TO, 100.0)  # and killed
    os.write(writer, LINE)
    later = journal(parts)
    assert later.resume(TO, 200.0) == []
    later.take(pipe, TO, 200.0)
    assert content(later.close()) == LINE * 2


@pytest.mark.parametrize(
    ("destination", "now"), [(TO, 301.0), (None, 200.0), (replace(TO, bucket="other"), 200.0)], ids=str
)
def test_a_part_that_fits_no_more_is_to_be_stored(
    parts: spool.Spool, pipe: Pipe, writer: int, destination: spool.Destination | None, now: float
) -> None:
    os.write(writer, LINE)
    journal(parts).take(pipe, TO, 100.0)
    (ready,) = journal(parts).resume(destination, now)
    assert content(ready) == LINE


def test_parts_of_vms_that_are_no_more_are_found(parts: spool.Spool, pipe: Pipe, writer: int) -> None:
    os.write(writer, LINE)
    journal(parts).take(pipe, TO, 100.0)
    assert parts.prepare(400.0) == [], "its VM may come back yet"
    (ready,) = parts.prepare(300.0 + 3601)
    assert content(ready) == LINE


def test_parts_without_lines_or_without_a_beginning_are_removed(parts: spool.Spool, pipe: Pipe) -> None:
    one = journal(parts)
    one.take(pipe, TO, 100.0)
    assert one.close() is None
    (parts.directory / "i-1.1-x.open").write_bytes(b'{"destination"')
    assert journal(parts).resume(TO, 100.0) == []
    assert os.listdir(parts.directory) == []


def test_the_spool_knows_when_it_is_full(parts: spool.Spool, pipe: Pipe, writer: int) -> None:
    one = journal(parts)
    os.write(writer, LINE * 60)
    one.take(pipe, TO, 100.0)
    assert parts.full("i-1")
    assert parts.used_bytes > 1000


def test_a_vm_whose_bucket_is_gone_leaves_room_for_others(parts: spool.Spool, pipe: Pipe, writer: int) -> None:
    one = journal(parts)
    while not parts.full("i-1"):
        os.write(writer, LINE)
        one.take(pipe, TO, 100.0)
    assert 1000 * 8 / 9 <= parts.used_bytes < 1000
    assert not parts.full("i-2")
    parts.forget(parts.find_open("i-1")[0])
    assert not parts.full("i-1")


def test_a_full_disk_leaves_no_empty_files(
    parts: spool.Spool, pipe: Pipe, writer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.write(writer, LINE)
    one = journal(parts)

    def full(*_: object) -> bytes:
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as disk:
        disk.setattr(spool, "_HEADER", type("Full", (), {"dump_json": staticmethod(full)}))
        for _ in range(3):
            with pytest.raises(OSError, match="no space"):
                one.take(pipe, TO, 100.0)
    assert os.listdir(parts.directory) == []
    assert one.take(pipe, TO, 100.0).size == len(LINE)


def test_what_follows_dropped_lines_is_not_glued_to_half_a_line(parts: spool.Spool, pipe: Pipe, writer: int) -> None:
    one = journal(parts)
    os.write(writer, LINE + LINE[:5])
    one.take(pipe, TO, 100.0)
    one.skip()
    os.write(writer, LINE)
    one.take(pipe, TO, 100.0)
    assert content(one.close()) == LINE + LINE[:5] + b"\n" + LINE


def test_a_part_is_ended_when_the_clock_goes_back(parts: spool.Spool, pipe: Pipe, writer: int) -> None:
    """Else it would take lines until the clock is there again, hours perhaps, and call them those of later."""
    one = journal(parts)
    os.write(writer, LINE)
    one.take(pipe, TO, 1000.0)
    assert (one.end, one.over(1000.0), one.over(899.0), one.over(1200.0)) == (1200, False, False, True)
    assert one.over(500.0)
    (ready,) = journal(parts).resume(TO, 500.0)
    assert content(ready) == LINE


def test_a_destination_needs_access_logs_and_a_bucket() -> None:
    wanted = document.LoadBalancerDocument(KEY, 1, "a")
    assert spool.Destination.of(None) is None
    assert spool.Destination.of(wanted) is None
    enabled = document.Attributes(access_log_enabled=True)
    assert spool.Destination.of(replace(wanted, attributes=enabled)) is None
    full = replace(enabled, access_log_bucket="logs", access_log_prefix="p", access_log_interval_min=5)
    assert spool.Destination.of(replace(wanted, attributes=full)) == TO
