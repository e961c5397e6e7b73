from __future__ import annotations

import stat
from pathlib import Path

from elbflow_standalone import credentials, layout


def test_keys_are_made_once_and_kept_private(tmp_path: Path) -> None:
    where = layout.Layout(tmp_path, 8700)
    first, second = credentials.load_or_create(where), credentials.load_or_create(where)
    assert first == second
    assert first.administrator != first.system
    for path in (where.keys_file, where.credentials_file, where.token_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secrets_do_not_show_in_representations(tmp_path: Path) -> None:
    keys = credentials.load_or_create(layout.Layout(tmp_path, 8700))
    assert keys.administrator.secret_access_key not in repr(keys)


def test_private_file_replaces_an_open_one(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    credentials.write_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
