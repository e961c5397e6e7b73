"""What came out when clients and servers of every kind were tried: each test is one thing that went wrong once."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.integration.agent import tls_peers
from tests.integration.agent.applications import Application
from tests.integration.agent.conftest import free_port, get

from elbflow import clock
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.haproxy import apply, model, place
from elbflow_agent.health import probe, target
from elbflow_agent.servo import Servo, ServoOptions

CACHING = "Cache-Control: no-store\r\n"
MANY = "".join(f"X-{number}: 1\r\n" for number in range(300))


def listener(port: int, server: Application) -> model.Listener:
    return model.Listener(
        port, model.Mode.HTTP, servers=(model.Server("i-1", "127.0.0.1", server.port, model.Admin.READY),)
    )


async def said(address: str, port: int, request: bytes) -> bytes:
    """Everything that comes back until the connection is closed."""
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(request)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


async def test_an_http_listener_speaks_no_http_2(applier: apply.Applier, address: str) -> None:
    """HAProxy alone takes the first words of HTTP/2 for a wish to go on in it, also without ALPN."""
    port = free_port(address)
    await applier.converge(model.Model(address, listeners=(model.Listener(port, model.Mode.HTTP),)), drain_s=0)
    assert (await said(address, port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


async def test_a_connection_opened_in_advance_ends_without_an_answer(applier: apply.Applier, address: str) -> None:
    """A 408 on it would be taken for the answer to the first request, and counts as an error of the client's."""
    port = free_port(address)
    served = model.Model(address, idle_timeout_s=1, listeners=(model.Listener(port, model.Mode.HTTP),))
    await applier.converge(served, drain_s=0)
    unused, unfinished = await asyncio.gather(said(address, port, b""), said(address, port, b"GET / HTTP/1.1\r\n"))
    assert unused == b""
    assert unfinished.startswith(b"HTTP/1.1 408 ")


async def test_hundreds_of_headers_pass_both_ways(applier: apply.Applier, address: str) -> None:
    port = free_port(address)
    async with Application("i-1", {"/": MANY}) as server:
        await applier.converge(model.Model(address, listeners=(listener(port, server),)), drain_s=0)
        status, headers, _ = await get(address, port, extra=MANY)
        assert (status, headers["x-299"]) == ("200", "1")
        assert "x-299: 1\r\n" in server.heads[-1]


async def test_setting_a_cookie_leaves_the_applications_word_on_caching(applier: apply.Applier, address: str) -> None:
    """What must not be stored must not be stored because a cookie is set with it; and browsers forget it in time."""
    port = free_port(address)
    async with Application("i-1", {"/": CACHING + "Set-Cookie: SES=1\r\n"}) as server:
        for stickiness in (model.Stickiness("ab" * 16, 77), model.AppStickiness("ab" * 16, "SES")):
            behind = replace(listener(port, server), stickiness=stickiness)
            await applier.converge(model.Model(address, listeners=(behind,)), drain_s=0)
            answer = await said(address, port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            lines = answer.decode().split("\r\n")
            assert {"cache-control: no-store", 'cache-control: no-cache="set-cookie"'} <= set(lines)
            (cookie,) = (line for line in lines if line.startswith("set-cookie: AWSELB="))
            assert cookie.endswith("; Max-Age=77") is isinstance(stickiness, model.Stickiness)


async def test_a_server_that_knows_only_old_tls_is_in_service_and_served(
    applier: apply.Applier, address: str, tmp_path: Path
) -> None:
    key, pem = tls_peers.rsa_key(1024), tmp_path / "old.pem"
    pem.write_bytes(tls_peers.certificate("old", key) + tls_peers.key_text(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(pem)
    with pytest.deprecated_call():
        context.maximum_version = context.minimum_version = ssl.TLSVersion.TLSv1
    port = free_port(address)
    async with Application("i-1", context=context) as server:
        check = target.parse(f"HTTPS:{server.port}/")
        assert await probe.probe("127.0.0.1", check, 2, clock.SystemClock()) is probe.Verdict.PASSED
        behind = replace(listener(port, server), tls_to_servers=True)
        await applier.converge(model.Model(address, listeners=(behind,)), drain_s=0)
        assert (await get(address, port))[::2] == ("200", "i-1")


async def test_a_length_that_haproxy_reads_as_none(applier: apply.Applier, address: str) -> None:
    """HAProxy 2.6 wraps it and passes it on: a server that keeps waiting must not get somebody else's request."""
    request = f"%s / HTTP/1.1\r\nHost: x\r\nContent-Length: {2**64}\r\n\r\n"
    port = free_port(address)
    async with Application("i-1") as server:
        await applier.converge(model.Model(address, listeners=(listener(port, server),)), drain_s=0)
        for method in ("POST", "GET"):
            assert (await said(address, port, (request % method).encode())).startswith(b"HTTP/1.1 400 ")
        assert server.heads == []


async def test_a_server_that_wants_to_hear_of_the_client_first_can_prove_its_key(
    where: place.Place, address: str, binary: str, instruments: meters.Meters, tmp_path: Path
) -> None:
    """ProxyProtocol and authentication on one port: a handshake without the former told nothing of the key."""
    key, file = tls_peers.ec_key(), tmp_path / "app.pem"
    heard: list[bytes] = []
    file.write_bytes(tls_peers.certificate("app", key) + tls_peers.key_text(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    def serve() -> None:
        with contextlib.suppress(OSError):  # the last one: nobody listens any more
            while True:
                connection, _ = server.accept()
                with connection, contextlib.suppress(OSError):
                    # Unbuffered, for what follows the line is TLS already.
                    heard.append(connection.makefile("rb", buffering=0).readline()[:11])
                    with context.wrap_socket(connection, server_side=True) as wrapped:
                        wrapped.sendall(wrapped.recv(5)[::-1])

    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with socket.create_server(("127.0.0.1", 0)) as server:
        behind, port, thread = server.getsockname()[1], free_port(address), threading.Thread(target=serve)
        thread.start()
        wanted = document.LoadBalancerDocument(
            key=document.LoadBalancerKey("000000000001", "both"),
            generation=1,
            zone="local-1a",
            listeners=(document.Listener(document.Protocol.TCP, port, document.Protocol.SSL, behind),),
            backends=(document.BackendInstance("i-1", "127.0.0.1"),),
            health_check=document.HealthCheck(f"TCP:{behind}", interval_s=1, timeout_s=1),
            policies=(
                document.Policy("key", "PublicKeyPolicyType", (("PublicKey", public),)),
                document.Policy("auth", "BackendServerAuthenticationPolicyType", (("PublicKeyPolicyName", "key"),)),
                document.Policy("proxy", "ProxyProtocolPolicyType", (("ProxyProtocol", "true"),)),
            ),
            backend_policies=(document.BackendServerPolicies(behind, ("auth", "proxy")),),
        )
        options = ServoOptions(address, where.directory, binary, first_success=True)
        async with Servo(options, time=clock.SystemClock(), rng=random.Random(1), instruments=instruments) as servo:
            await servo.apply(wanted)
            async with asyncio.timeout(5):
                while (await said(address, port, b"hello")) != b"olleh":
                    await asyncio.sleep(0.02)
        server.shutdown(socket.SHUT_RDWR)
    await asyncio.to_thread(thread.join)
    assert {b"PROXY UNKNO", b"PROXY TCP4 "} <= set(heard)


async def test_what_a_client_says_of_its_connection_is_not_what_a_server_hears(
    applier: apply.Applier, address: str
) -> None:
    """A server that takes ``Connection: X-Forwarded-For`` at its word forgets who asks; h2c would go round us."""
    asked = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close, {}\r\nUpgrade: {}\r\n\r\n"
    port = free_port(address)
    async with Application("i-1") as server:
        await applier.converge(model.Model(address, listeners=(listener(port, server),)), drain_s=0)
        for named, upgrade in (("X-Forwarded-For", "other"), ("Upgrade, X-Forwarded-Proto", "other, H2C")):
            await said(address, port, asked.format(named, upgrade).encode())
            (head,) = server.heads
            assert "connection:" not in head.lower()
            assert "h2c" not in head.lower()
            assert "x-forwarded-for: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n" in head
            server.heads.clear()


async def test_chunks_are_announced_to_servers_in_one_spelling(applier: apply.Applier, address: str) -> None:
    """HAProxy takes all of these for chunks and passes them on as they are; servers may take them for none."""
    body = "Connection: close\r\n\r\n1\r\na\r\n0\r\n\r\n"
    port = free_port(address)
    async with Application("i-1") as server:
        await applier.converge(model.Model(address, listeners=(listener(port, server),)), drain_s=0)
        for odd in ("chunked,", "chunked\r\nTransfer-Encoding:", "\r\nTransfer-Encoding: chunked", "ChunKed"):
            await said(address, port, f"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {odd}\r\n{body}".encode())
            lines = server.heads[0].lower().split("\r\n")
            assert [line for line in lines if line.startswith("transfer-encoding")] == ["transfer-encoding: chunked"]
            server.heads.clear()


async def test_an_upgrade_through_http(applier: apply.Applier, address: str) -> None:
    """Of all that a client says of its connection, the wish for a WebSocket alone arrives."""
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        writer.write(b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
        writer.write((await reader.readexactly(5))[::-1])
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port, behind = free_port(address), server.sockets[0].getsockname()[1]
        servers = (model.Server("i-1", "127.0.0.1", behind, model.Admin.READY),)
        await applier.converge(
            model.Model(address, listeners=(model.Listener(port, model.Mode.HTTP, servers=servers),)), drain_s=0
        )
        reader, writer = await asyncio.open_connection(address, port)
        wish = "Connection: keep-alive, Upgrade, X-Forwarded-For\r\nUpgrade: websocket\r\n"
        wish += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        writer.write(f"GET /chat HTTP/1.1\r\nHost: x\r\n{wish}\r\n".encode())
        async with asyncio.timeout(5):
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            writer.write(b"\x81\x03abc")
            assert await reader.read() == b"cba\x03\x81"
        writer.close()
    assert "connection: upgrade\r\n" in heads[0]
    assert "upgrade: websocket\r\n" in heads[0]
