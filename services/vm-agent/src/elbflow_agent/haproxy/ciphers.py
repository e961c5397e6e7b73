"""Cipher suites that a policy may enable, in the service's order of preference (spec/vm-agent-data-plane 3.5).

Suites without authentication or encryption, export suites and those with Kerberos or pre-shared keys are not among
them, so whatever a policy says they are never offered.
"""

from __future__ import annotations

import functools
import ssl

_BY_PREFERENCE = """
    ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES128-SHA256 ECDHE-RSA-AES128-SHA256
    ECDHE-ECDSA-AES128-SHA ECDHE-RSA-AES128-SHA DHE-RSA-AES128-SHA ECDHE-ECDSA-AES256-GCM-SHA384
    ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES256-SHA384 ECDHE-RSA-AES256-SHA384 ECDHE-RSA-AES256-SHA
    ECDHE-ECDSA-AES256-SHA AES128-GCM-SHA256 AES128-SHA256 AES128-SHA AES256-GCM-SHA384 AES256-SHA256 AES256-SHA
    DHE-DSS-AES128-SHA CAMELLIA128-SHA EDH-RSA-DES-CBC3-SHA DES-CBC3-SHA ECDHE-RSA-RC4-SHA RC4-SHA
    ECDHE-ECDSA-RC4-SHA DHE-DSS-AES256-GCM-SHA384 DHE-RSA-AES256-GCM-SHA384 DHE-RSA-AES256-SHA256
    DHE-DSS-AES256-SHA256 DHE-RSA-AES256-SHA DHE-DSS-AES256-SHA DHE-RSA-CAMELLIA256-SHA DHE-DSS-CAMELLIA256-SHA
    CAMELLIA256-SHA EDH-DSS-DES-CBC3-SHA DHE-DSS-AES128-GCM-SHA256 DHE-RSA-AES128-GCM-SHA256 DHE-RSA-AES128-SHA256
    DHE-DSS-AES128-SHA256 DHE-RSA-CAMELLIA128-SHA DHE-DSS-CAMELLIA128-SHA DES-CBC-SHA DHE-DSS-SEED-SHA
    DHE-RSA-SEED-SHA EDH-DSS-DES-CBC-SHA EDH-RSA-DES-CBC-SHA IDEA-CBC-SHA RC4-MD5 SEED-SHA DES-CBC3-MD5 DES-CBC-MD5
    RC2-CBC-MD5
"""

CANONICAL = tuple(_BY_PREFERENCE.split())
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
