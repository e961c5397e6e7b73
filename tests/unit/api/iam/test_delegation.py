"""What a VM's proofs are checked with, apart from the exchange itself."""

from __future__ import annotations

import pytest

from elbflow_api import query
from elbflow_api.iam import delegation

NOW = 1_780_000_000.0


def nonce(number: int) -> str:
    return f"nonce-{number:020d}"


def test_a_nonce_serves_once_for_each_vm_within_the_window() -> None:
    nonces = delegation.Nonces()
    nonces.check("i-1", nonce(1), NOW)
    nonces.check("i-2", nonce(1), NOW)
    with pytest.raises(query.Fault, match="used before"):
        nonces.check("i-1", nonce(1), NOW + delegation.WINDOW_S)
    nonces.check("i-1", nonce(1), NOW + delegation.WINDOW_S + 1)


@pytest.mark.parametrize("text", ["", "short", "a" * 65, "with spaces in it, long", "nonce\n-0123456789012"])
def test_what_is_no_nonce_is_refused(text: str) -> None:
    with pytest.raises(query.Fault, match="nonce is invalid"):
        delegation.Nonces().check("i-1", text, NOW)


def test_nonces_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegation, "MOST_NONCES", 3)
    nonces = delegation.Nonces()
    for number in range(10):
        nonces.check("i-1", nonce(number), NOW)
    with pytest.raises(query.Fault, match="used before"):
        nonces.check("i-1", nonce(9), NOW)
    nonces.check("i-1", nonce(0), NOW)


@pytest.mark.parametrize(
    ("text", "signed"),
    [
        ("2026-05-28T20:26:40Z", "2026-05-28T20:26:40Z"),
        ("2026-05-28T22:26:40+02:00", "2026-05-28T20:26:40Z"),
        ("2026-05-28T20:26:39.900Z", "2026-05-28T20:26:39Z"),
        ("2026-05-28T20:16:40Z", "2026-05-28T20:16:40Z"),
    ],
)
def test_times_are_written_anew_before_a_signature_is_checked(text: str, signed: str) -> None:
    assert delegation.check_time(text, NOW) == signed


@pytest.mark.parametrize(
    "text", ["2026-05-28T20:26:41Z", "2026-05-28T20:16:39Z", "", "1780000000", "2026-13-01T00:00:00Z"]
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(query.Fault, match="timestamp is invalid"):
        delegation.check_time(text, NOW)


@pytest.mark.parametrize(("text", "read"), [("Ym FzZ\nTY0", b"base64"), ("?", None), ("Ym", None), ("\u00e9", None)])
def test_base64_in_which_white_space_does_not_matter(text: str, read: bytes | None) -> None:
    assert delegation.decoded(text) == read
