"""Private keys of server certificates, sealed for the certificate they belong to."""

from __future__ import annotations

from elbflow import store
from elbflow_api.iam import sealing


def seal(vault: sealing.Vault, private_key: bytes, account: str, certificate_id: str) -> bytes:
    """What the store keeps of a private key."""
    return vault.seal(private_key, _owner(account, certificate_id))


def open_sealed(vault: sealing.Vault, certificate: store.ServerCertificate) -> bytes:
    """The private key as PEM, for whoever serves the certificate. Raises :class:`sealing.CannotOpen`."""
    return vault.open(certificate.encrypted_key, _owner(certificate.account, certificate.certificate_id))


def _owner(account: str, certificate_id: str) -> str:
    return f"server-certificate/{account}/{certificate_id}"
