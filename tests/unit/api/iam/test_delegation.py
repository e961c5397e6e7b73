"""What a VM's proofs are checked with, apart from the exchange itself."""

from __future__ import annotations

import base64
import functools
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from elbflow_api import query
from elbflow_api.iam import authority, delegation

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
    "text",
    [
        *("2026-05-28T20:26:41Z", "2026-05-28T20:16:39Z", "", "1780000000", "2026-13-01T00:00:00Z"),
        *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),  # no time in UTC
    ],
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(query.Fault, match="timestamp is invalid"):
        delegation.check_time(text, NOW)


@pytest.mark.parametrize(("text", "read"), [("Ym FzZ\nTY0", b"base64"), ("?", None), ("Ym", None), ("\u00e9", None)])
def test_base64_in_which_white_space_does_not_matter(text: str, read: bytes | None) -> None:
    assert delegation.decoded(text) == read


@functools.cache
def vouched() -> tuple[authority.Authority, str]:
    """An authority and what it issued; made once, for keys take their time."""
    iam = authority.create(NOW)
    key = rsa.generate_private_key(65537, 2048).public_key()
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return iam, iam.certify(encoded, "i-1", 30, NOW)


def changed(issued: str, text: str, instead: str) -> str:
    """A certificate with some of its bytes replaced, as a request has it."""
    der = x509.load_pem_x509_certificate(issued.encode()).public_bytes(serialization.Encoding.DER)
    assert bytes.fromhex(text) in der
    odd = ssl.DER_cert_to_PEM_cert(der.replace(bytes.fromhex(text), bytes.fromhex(instead)))
    return base64.b64encode(odd.encode()).decode()


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("a003020102", "a003020107"),  # version 8
        ("0603550403", "0603550483"),  # an object identifier that does not end
        ("06092a864886f70d0101010500", "06092a864886f70d0101770500"),  # a key of no kind
    ],
)
def test_an_odd_certificate_is_an_invalid_one_and_no_failure_of_the_server(text: str, instead: str) -> None:
    """The library complains of parts of a certificate when they are looked at, each in words of its own."""
    iam, issued = vouched()
    assert delegation.vm(base64.b64encode(issued.encode()).decode(), iam, NOW).bound
    with pytest.raises(query.Fault) as caught:
        delegation.vm(changed(issued, text, instead), iam, NOW)
    assert caught.value.status == 403


def test_a_certificate_is_good_at_a_front_door_whose_clock_is_behind() -> None:
    """Refused there, the host would have made a new key and certificate, with the same end."""
    iam, issued = vouched()
    assert delegation.vm(base64.b64encode(issued.encode()).decode(), iam, NOW - 200).principal == "i-1"


def test_a_certificate_that_is_signed_in_a_way_nobody_knows_is_none_of_ours() -> None:
    iam, issued = vouched()
    odd = changed(issued, "06092a864886f70d01010d0500", "06092a864886f70d0101770500")
    assert delegation.vm(odd, iam, NOW).legacy
