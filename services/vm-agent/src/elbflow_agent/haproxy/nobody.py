"""Certificates of no meaning that HAProxy cannot do without where servers must prove themselves (spec/vm-agent 3.6).

A trust file must hold a certificate even while no server is known, and a server whose trust is to change at run time
must have a certificate of the load balancer's.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBITCByaADAgECAgEBMAoGCCqGSM49BAMCMBExDzANBgNVBAMMBm5vYm9keTAg
Fw0yMDAxMDEwMDAwMDBaGA85OTk5MTIzMTIzNTk1OVowETEPMA0GA1UEAwwGbm9i
b2R5MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEIMCnpn1nVi44SER78ecvi0Yr
yaZ0FpknSu/0yRLnVWShDKpcQX3SrxXEKhTuyeY7Aa3ZYkNurjraAZCf1XV4zKMQ
MA4wDAYDVR0TAQH/BAIwADAKBggqhkjOPQQDAgNHADBEAiBS7R7tTqgFk1P88Km+
vQvX2iH2C4xyExNicVqdT4AHBwIgPcUJon9ZazwsV4IkAHq44IXeUlJe4A4fEl+j
2LekppE=
-----END CERTIFICATE-----
"""
"""Its key is gone, so it lets nobody in."""

LEAF = hashlib.sha1(ssl.PEM_cert_to_DER_cert(CERTIFICATE), usedforsecurity=False).hexdigest().upper()
"""Its SHA-1 as HAProxy shows it."""


async def identity() -> bytes:
    """A new key with its certificate, as PEM, that says nothing about its holder."""
    return await asyncio.to_thread(_identity)


def _identity() -> bytes:
    # Only here: few VMs need it, and the library behind this takes 13 MB.
    from elbflow_agent.haproxy import issuing

    return issuing.identity()
