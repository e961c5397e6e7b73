"""IAM's own key pair: it vouches for VMs and signs what it hands to them (spec/vm-agent-data-plane 7.1, 7.2).

Made at the first need and kept in the store, the key sealed with the master key; so all front doors of one store
speak as one, and VMs that were launched before a restart are known after it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from elbflow import clock as clocks
from elbflow import errors, store
from elbflow.contract import names
from elbflow_api.iam import sealing

log = structlog.get_logger()

RSA_BITS = 2048
_NAME = "service"
_OWN_LIFE = timedelta(days=3650)
_SKEW = timedelta(minutes=5)


class UnusableKey(errors.Permanent):
    """What shall be certified is no RSA public key that VMs may have."""


@dataclass(frozen=True, slots=True)
class Authority:
    """The certificate that VMs know IAM by, and its key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey = field(repr=False)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, text: str) -> str:
        """Base64 of the SHA256withRSA signature over ``text`` (spec 7.6)."""
        return base64.b64encode(self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()

    def has_signed(self, text: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is this authority's over ``text`` (spec 7.5, check 6)."""
        try:
            self.key.public_key().verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def has_issued(self, certificate: x509.Certificate) -> bool:
        """Whether the certificate's signature is this authority's. Its dates do not matter here."""
        try:
            algorithm = certificate.signature_hash_algorithm
            if algorithm is None or certificate.issuer != self.certificate.subject:
                return False
            signed, signature = certificate.tbs_certificate_bytes, certificate.signature
            self.key.public_key().verify(signature, signed, padding.PKCS1v15(), algorithm)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError):
            return False
        return True

    def certify(self, public_key: bytes, principal: str, days: int, now: float, *, original: bool = False) -> str:
        """A delegation certificate as PEM for a VM's public key, DER SubjectPublicKeyInfo (spec 7.1, 7.2).

        It is good for client authentication alone (REQ-7.6), and from a while ago on, for other front doors' clocks may
        be behind; with ``original`` it is what the original issues, which could sign others. Raises
        :class:`UnusableKey`.
        """
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Cloud"),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Eucalyptus"),
                x509.NameAttribute(NameOID.COMMON_NAME, principal),
            ]
        )
        key = _public_key(public_key)
        begins = datetime.fromtimestamp(int(now), UTC) - (timedelta() if original else _SKEW)
        builder = _unsigned(subject, self.certificate.subject, key, begins, timedelta(days=days), ca=original)
        if not original:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
            builder = builder.add_extension(usage, critical=False)
        return builder.sign(self.key, hashes.SHA512()).public_bytes(serialization.Encoding.PEM).decode()


class Authorities:
    """The authority of one store, read or made once. Raises :class:`sealing.CannotOpen`."""

    def __init__(self, vault: sealing.Vault) -> None:
        self._vault = vault
        self._found: Authority | None = None
        self._turn = asyncio.Lock()

    async def get(self, db: store.Store, clock: clocks.Clock) -> Authority:
        """The authority. Cancelled, it may have been made, and is then found by the next one who asks."""
        async with self._turn:
            if self._found is None:
                self._found = await self._read(db) or await self._made(db, clock)
            return self._found

    async def _read(self, db: store.Store) -> Authority | None:
        async with db.reading() as tx:
            kept = await tx.cloud_resources.get(names.IAM_AUTHORITY, _NAME)
        if kept is None:
            return None
        certificate, sealed = kept["certificate"], kept["key"]
        assert isinstance(certificate, str)
        assert isinstance(sealed, str)
        try:
            key = self._vault.open(base64.b64decode(sealed, validate=True), names.IAM_AUTHORITY)
        except binascii.Error:
            raise sealing.CannotOpen("it is damaged") from None
        private = serialization.load_der_private_key(key, None)
        assert isinstance(private, rsa.RSAPrivateKey)
        return Authority(x509.load_pem_x509_certificate(certificate.encode()), private)

    async def _made(self, db: store.Store, clock: clocks.Clock) -> Authority:
        new = await asyncio.to_thread(create, clock.now())
        key = new.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        sealed = base64.b64encode(self._vault.seal(key, names.IAM_AUTHORITY)).decode()
        async with db.transaction() as tx:
            ours = await tx.cloud_resources.add(names.IAM_AUTHORITY, _NAME, {"certificate": new.pem, "key": sealed})
        if ours:
            log.info("iam_authority_made")
            return new
        faster = await self._read(db)
        if faster is None:
            raise errors.Retryable("the authority was removed while it was made")
        return faster


def create(now: float, bits: int = RSA_BITS) -> Authority:
    """A new authority with a self-signed certificate. Takes CPU time: for a thread."""
    key = rsa.generate_private_key(65537, bits)
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "elbflow"), _common_name("euare")])
    begins = datetime.fromtimestamp(int(now), UTC)
    builder = _unsigned(name, name, key.public_key(), begins, _OWN_LIFE, ca=True)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, begins: datetime, life: timedelta, *, ca: bool
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + life)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _common_name(text: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.COMMON_NAME, text)


def _public_key(encoded: bytes) -> rsa.RSAPublicKey:
    try:
        key = serialization.load_der_public_key(encoded)
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableKey("it is no DER SubjectPublicKeyInfo") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < RSA_BITS:
        raise UnusableKey(f"it is no RSA key of {RSA_BITS} bits or more")
    return key
