"""Private keys at rest."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from elbflow_api.iam import master_key, sealing

SECRET = b"-----BEGIN PRIVATE KEY-----"


def vault(byte: bytes = b"k") -> sealing.Vault:
    return sealing.Vault(byte * sealing.KEY_BYTES)


def test_only_the_owner_and_the_key_open_it() -> None:
    sealed = vault().seal(SECRET, "a")
    assert SECRET not in sealed
    assert vault().open(sealed, "a") == SECRET
    with pytest.raises(sealing.CannotOpen, match="belongs elsewhere"):
        vault().open(sealed, "b")
    with pytest.raises(sealing.CannotOpen, match="another master key"):
        vault(b"x").open(sealed, "a")


def test_no_two_are_alike() -> None:
    assert vault().seal(SECRET, "a") != vault().seal(SECRET, "a")


def test_every_changed_byte_is_noticed() -> None:
    sealed = vault().seal(SECRET, "a")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(sealing.CannotOpen):
            vault().open(bytes(changed), "a")
    for length in range(len(sealed)):
        with pytest.raises(sealing.CannotOpen):
            vault().open(sealed[:length], "a")


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "master-key"
    with ThreadPoolExecutor(8) as threads:
        vaults = list(threads.map(lambda _: master_key.load_or_create(path), range(16)))
    sealed = vaults[0].seal(SECRET, "a")
    assert all(one.open(sealed, "a") == SECRET for one in vaults)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_files_that_cannot_be_it(tmp_path: Path) -> None:
    path = tmp_path / "master-key"
    for content in (b"", b"no base64!", b"c2hvcnQ=", b"\xff\xfe"):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(master_key.UnusableMasterKey):
            master_key.load_or_create(path)
    path.unlink()
    master_key.load_or_create(path)
    path.chmod(0o640)
    with pytest.raises(master_key.UnusableMasterKey, match="0640"):
        master_key.load_or_create(path)
