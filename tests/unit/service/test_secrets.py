"""Secrets come from private files only."""

from __future__ import annotations

from pathlib import Path

import pytest

from elbflow import service


def secret(tmp_path: Path, content: bytes, mode: int = 0o600) -> Path:
    path = tmp_path / "token"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_text_without_the_white_space_around_it(tmp_path: Path) -> None:
    assert service.read_secret(secret(tmp_path, b" sesame\n")) == "sesame"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o601])
def test_a_file_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(service.UnusableSecret, match="chmod 600") as caught:
        service.read_secret(secret(tmp_path, b"sesame", mode))
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(("content", "complaint"), [(b"\n", "empty"), (b"\xff\xfe", "UTF-8")])
def test_what_is_no_secret_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    with pytest.raises(service.UnusableSecret, match=complaint):
        service.read_secret(secret(tmp_path, content))


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        service.read_secret(tmp_path / "none")


@pytest.mark.parametrize(
    ("host", "url"), [("127.0.0.1", "http://127.0.0.1:80"), ("::1", "http://[::1]:80"), ("lb", "http://lb:80")]
)
def test_addresses_as_urls(host: str, url: str) -> None:
    assert service.url_of(host, 80) == url
