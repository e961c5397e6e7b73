"""Cipher suites that a policy may enable, in the service's order of preference (spec/vm-agent-data-plane 3.5).

Suites without authentication or encryption, export suites and those with Kerberos or pre-shared keys are not among
them, so whatever a policy says they are never offered.
"""

from __future__ import annotations

import functools
import ssl

from elbflow.contract import cipher_suites

CANONICAL = cipher_suites.OFFERED
"""OpenSSL's names, the preferred ones first."""


@functools.cache
def known() -> frozenset[str]:
    """Those of :data:`CANONICAL` that this machine's OpenSSL has; a list of unknown ones alone stops HAProxy (G7)."""
    return frozenset(filter(_is_known, CANONICAL))


def is_before_tls_1_2(cipher: str) -> bool:
    """Whether versions before TLS 1.2 have it."""
    return cipher.endswith(("-SHA", "-MD5"))


def fits(cipher: str, *, elliptic: bool) -> bool:
    """Whether a server whose key is on an elliptic curve, or else RSA's, can use it before TLS 1.3."""
    return elliptic if "-ECDSA-" in cipher else not elliptic and "-DSS-" not in cipher


def _is_known(cipher: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(f"{cipher}:@SECLEVEL=0")
    except ssl.SSLError:
        return False
    return True
