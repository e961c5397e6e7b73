"""Certificates, a source of them, and clients that say what they met over TLS."""

from __future__ import annotations

import asyncio
import datetime
import functools
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from tests.integration.agent.conftest import exchange

from elbflow_agent.certificates.model import Bundle, Found, Missing

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@functools.cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Made once: it takes its time."""
    return rsa.generate_private_key(65537, bits)


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_text(key: Key, form: serialization.PrivateFormat = serialization.PrivateFormat.TraditionalOpenSSL) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def certificate(name: str, key: Key, *, days: int = 30, issuer: tuple[str, Key] | None = None) -> bytes:
    """PEM text; ``days`` may be negative."""
    now = datetime.datetime.now(datetime.UTC)
    end = now + datetime.timedelta(days=days)
    by, signer = issuer or (name, key)
    built = x509.CertificateBuilder(
        issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, by)]),
        subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=min(now, end) - datetime.timedelta(days=1),
        not_valid_after=end,
    )
    return built.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def bundle(arn: str, name: str, key: Key | None = None, *, days: int = 30) -> Bundle:
    key = ec_key() if key is None else key
    return Bundle.of(arn, certificate(name, key, days=days) + key_text(key))


@dataclass
class Shelf:
    """A source whose bundles the test puts there."""

    bundles: dict[str, Found] = field(default_factory=dict)
    wanted: list[frozenset[str]] = field(default_factory=list)
    changed: Callable[[], None] = lambda: None

    def put(self, *found: Bundle) -> None:
        for each in found:
            self.bundles[each.arn] = each
        self.changed()

    def subscribe(self, changed: Callable[[], None]) -> None:
        self.changed = changed

    async def want(self, arns: frozenset[str]) -> None:
        self.wanted.append(arns)

    def bundle(self, arn: str) -> Found:
        return self.bundles.get(arn, Missing(f"nobody has {arn}"))


@dataclass(frozen=True)
class Met:
    """What a client found: the certificate's common name, protocol, cipher and ALPN."""

    name: str
    version: str
    cipher: str
    alpn: str | None


def client_context(**limits: ssl.TLSVersion) -> ssl.SSLContext:
    """A client that takes any certificate and anything old; ``limits`` are ``oldest`` and ``newest``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2", "http/1.1"])
    # Python warns of versions before 1.2, which are what is asked for here.
    context.minimum_version = limits.get("oldest", ssl.TLSVersion.TLSv1_2)
    context.maximum_version = limits.get("newest", ssl.TLSVersion.MAXIMUM_SUPPORTED)
    return context


async def meet(address: str, port: int, context: ssl.SSLContext | None = None) -> Met:
    """Shake hands and leave."""
    reader, writer = await asyncio.open_connection(address, port, ssl=context or client_context())
    try:
        tls = writer.get_extra_info("ssl_object")
        leaf = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True))
        name = str(leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        return Met(name, tls.version(), tls.cipher()[0], tls.selected_alpn_protocol())
    finally:
        writer.transport.abort()
        del reader


async def ask(address: str, port: int, extra: str = "") -> tuple[str, dict[str, str], str]:
    """One request over TLS on a connection of its own."""
    reader, writer = await asyncio.open_connection(address, port, ssl=client_context())
    try:
        async with asyncio.timeout(10):
            return await exchange(reader, writer, extra=extra)
    finally:
        writer.transport.abort()


@dataclass
class TlsLoad:
    """Clients that keep their connections and clients that do not; ``results`` counts statuses and failures."""

    address: str
    port: int
    results: Counter[str] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> TlsLoad:
        self._tasks = [asyncio.create_task(self._keep_alive()) for _ in range(6)]
        self._tasks += [asyncio.create_task(self._anew()) for _ in range(2)]
        await asyncio.sleep(0.1)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.sleep(0.1)
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def _anew(self) -> None:
        context = client_context()
        while not self._stop.is_set():
            try:
                reader, writer = await asyncio.open_connection(self.address, self.port, ssl=context)
                der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
                self.names[x509.load_der_x509_certificate(der).subject.rfc4514_string()] += 1
                status, _, _ = await exchange(reader, writer, extra="Connection: close\r\n")
                self.results[status] += 1
                writer.transport.abort()
            except (OSError, asyncio.IncompleteReadError) as error:
                self.results[repr(error)] += 1
            await asyncio.sleep(0.004)

    async def _keep_alive(self) -> None:
        context = client_context()
        while not self._stop.is_set():
            try:
                reader, writer = await asyncio.open_connection(self.address, self.port, ssl=context)
                await self._while_open(reader, writer)
                writer.transport.abort()
            except (OSError, asyncio.IncompleteReadError) as error:
                self.results[repr(error)] += 1

    async def _while_open(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not self._stop.is_set():
            status, headers, _ = await exchange(reader, writer)
            self.results[status] += 1
            if headers.get("connection", "").lower() == "close":
                return
            await asyncio.sleep(0.002)
