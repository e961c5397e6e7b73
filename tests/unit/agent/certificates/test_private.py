"""Where keys may lie."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from elbflow_agent.certificates import private

pytestmark = pytest.mark.usefixtures("may_block")


@pytest.fixture
def in_memory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="elbflow-test-"))
    yield path
    shutil.rmtree(path)


def test_memory_is_told_from_disks(in_memory: Path, tmp_path: Path) -> None:
    assert private.is_in_memory(in_memory)
    assert private.is_in_memory(in_memory / "not" / "yet")
    assert not private.is_in_memory(Path("/"))
    (tmp_path / "link").symlink_to(in_memory)
    assert private.is_in_memory(tmp_path / "link" / "below")


def test_a_run_directory_in_memory_holds_the_keys_too(in_memory: Path) -> None:
    found = private.directory(in_memory)
    assert found == in_memory / "keys"
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
    assert private.directory(in_memory) == found


def test_a_run_directory_on_disk_has_its_keys_in_shared_memory(tmp_path: Path) -> None:
    if private.is_in_memory(tmp_path):
        pytest.skip("temporary files are in memory here")
    found = private.directory(tmp_path)
    try:
        assert found.parent == Path("/dev/shm")
        assert stat.S_IMODE(found.stat().st_mode) == 0o700
        assert private.directory(tmp_path / "." / "..") != found
    finally:
        shutil.rmtree(found)
        shutil.rmtree(private.directory(tmp_path / "." / ".."))


def test_what_others_may_enter_or_what_is_on_a_disk_is_refused(in_memory: Path, tmp_path: Path) -> None:
    (in_memory / "open").mkdir()
    (in_memory / "open").chmod(0o755)  # whatever the umask
    with pytest.raises(private.NotPrivate, match="mode 0700"):
        private.directory(tmp_path, in_memory / "open")
    (in_memory / "link").symlink_to(in_memory / "open")
    with pytest.raises(private.NotPrivate, match="mode 0700"):
        private.directory(tmp_path, in_memory / "link")
    if not private.is_in_memory(tmp_path):
        with pytest.raises(private.NotPrivate, match="on a disk"):
            private.directory(in_memory, tmp_path / "keys")


def test_a_disk_below_memory_is_a_disk_whatever_its_name(
    in_memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel writes blanks as octal numbers and all other bytes as they are."""
    for name, shown in (
        ("b\u00fccher", "b\u00fccher"),
        ("two words", "two\\040words"),
        ("back\\slash", "back\\134slash"),
    ):
        mounts = tmp_path / "mounts"
        mounts.write_text(f"tmpfs /dev/shm tmpfs rw 0 0\n/dev/sda1 {in_memory}/{shown} ext4 rw 0 0\n")
        monkeypatch.setattr(private, "_MOUNTS", mounts)
        assert private.is_in_memory(in_memory)
        assert not private.is_in_memory(in_memory / name / "keys")
