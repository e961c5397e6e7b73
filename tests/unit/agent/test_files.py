"""Files are the old or the new version, whichever way they are replaced, and a burst of them changes threads seldom."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest

from elbflow_agent import files


async def test_exchanging_goes_on_with_the_same_two_files(tmp_path: Path) -> None:
    path = tmp_path / "file"
    await files.exchange(path, b"a long first version")
    first = path.stat().st_ino
    await files.exchange(path, b"second", modified_at=1_000.5)
    second = path.stat().st_ino
    assert (path.read_bytes(), path.stat().st_mtime, path.stat().st_mode & 0o777) == (b"second", 1_000.5, 0o600)
    for number in range(6):
        await files.exchange(path, b"x" * number)
        assert path.read_bytes() == b"x" * number
        assert path.stat().st_ino in (first, second)
    assert len(list(tmp_path.iterdir())) == 2


async def test_who_has_opened_a_file_reads_one_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    await files.update(path, b"first")
    with path.open("rb", buffering=0) as reader:
        assert reader.read(2) == b"fi"
        for number in range(5):
            await files.update(path, b"%d another" % number)
        assert reader.read() == b"rst"
    monkeypatch.setattr(files, "_REST_S", 0.0)
    known = {each.stat().st_ino for each in tmp_path.iterdir()}
    for number in range(5):
        await files.update(path, b"%d more" % number)
    assert {each.stat().st_ino for each in tmp_path.iterdir()} == known


async def test_what_is_up_to_date_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"old", b"new"):
        await files.update(path, content)
    before = path.stat()
    await files.update(path, b"new")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    await files.update(path, b"old")
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("name", ["write", "ftruncate", "replace"])
async def test_a_file_that_cannot_be_written_is_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / "file"
    for content in (b"older", b"old"):
        await files.exchange(path, content)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(files, "_libc", None)  # so that os.replace comes into play
    with monkeypatch.context() as patch:
        patch.setattr(f"os.{name}", fail)
        with pytest.raises(OSError, match="disk full"):
            await files.exchange(path, b"new")
    assert path.read_bytes() == b"old"
    await files.exchange(path, b"new")
    assert path.read_bytes() == b"new"


async def test_where_files_cannot_be_exchanged_they_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Elsewhere:
        def renameat2(self, *_: object) -> int:
            return -1

    path = tmp_path / "file"
    for library in (None, Elsewhere()):
        monkeypatch.setattr(files, "_libc", library)
        for content in (b"one", b"another"):
            await files.exchange(path, content)
            assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


async def test_two_writers_never_share_a_spare(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"older", b"old"):
        await files.exchange(path, content)
    with (tmp_path / ".file.spare").open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        await files.exchange(path, b"new")
        assert (path.read_bytes(), other.read()) == (b"new", b"older")
    await files.exchange(path, b"newest")
    assert path.read_bytes() == b"newest"


async def test_a_burst_of_files_shares_changes_of_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = list[object]()
    submit = files._threads.submit

    def counted(work: Callable[[], list[object]]) -> object:
        changes.append(work)
        return submit(work)

    monkeypatch.setattr(files._threads, "submit", counted)
    await asyncio.gather(*(files.exchange(tmp_path / str(number), b"x") for number in range(100)))
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"x"}
    assert len(changes) <= 100 / 8 + 1
    with pytest.raises(IsADirectoryError):
        await files.read(tmp_path)
