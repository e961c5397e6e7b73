"""``deploy/vm``: its supervisord.conf really run, with its paths in a temporary directory and a metadata service of the
test.

Run by root, its programs give all privileges away and are other users, as far as those may use our interpreter.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import http.server
import json
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.bench import engine_peers
from tests.integration.agent.conftest import Backend, free_port, get

from elbflow import clock, swf
from elbflow.contract import document, names
from elbflow_agent import ipc, meters
from elbflow_agent.haproxy import logs

IMAGE = Path(__file__).parents[3] / "deploy" / "vm"
INSTANCE = "i-0123abcd"
ACCOUNT = "000000000001"
FOR_ALL = {"servo-redis": "www-data", "servo-haproxy": "mail", "servo-firewall": "list"}
USERS = {**FOR_ALL, "servo-worker": "daemon", "servo": "games"}
"""The image's users and groups, and ones that every Debian has."""
ONLY_ROOT = {**FOR_ALL, "servo-worker": "root", "servo": "root"}
"""Where others cannot read the interpreter: root, but without any privilege."""
KEY = "ASIAROLE"
NET_BIND_SERVICE = 10
pytestmark = pytest.mark.timeout(180)  # the first one starts all programs of the image

DEADLINE_S = 90.0
BACK_S = 10.0
"""A second on a machine that does nothing else."""
RECORDED = json.loads((Path(__file__).parents[2] / "unit/agent/certificates/vector.json").read_text())
_PRIVILEGES = re.compile(r"setpriv .*--no-new-privs ")


class Metadata(http.server.BaseHTTPRequestHandler):
    """A cloud's metadata service, which knows version 1 alone, and an IAM of the original with one answer."""

    address = ""

    def do_PUT(self) -> None:
        self.send_error(404)

    def do_GET(self) -> None:
        role = "/latest/meta-data/iam/security-credentials/"
        keys = {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": KEY,
            "SecretAccessKey": "secret",
            "Token": "token",
            "LastUpdated": "2024-01-01T00:00:00Z",
            "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7200)),
        }
        pages = {
            "/latest/meta-data/instance-id": INSTANCE,
            "/latest/meta-data/local-ipv4": self.address,
            role: "loadbalancer-vm",
            f"{role}loadbalancer-vm": json.dumps(keys),
        }
        body = pages.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(RECORDED["answer_original"].encode())

    def log_message(self, *_: object) -> None:
        return


@dataclass
class Image:
    """A running VM image."""

    root: Path
    address: str
    supervisord: subprocess.Popen[bytes]
    admin: dict[str, str]
    users: Mapping[str, str]
    """The image's users and those of the test; none when privileges cannot be given away."""
    systemd: socket.socket
    """Where its programs think that systemd listens."""

    @property
    def keys(self) -> Path:
        return memory(self.root)

    @property
    def socket(self) -> Path:
        return self.root / "run" / "redis" / "redis.sock"

    @property
    def place(self) -> Path:
        return self.root / "lib" / INSTANCE

    def pid(self) -> int:
        """HAProxy's master."""
        return int((self.place / "haproxy.pid").read_text())

    def ready(self, program: str) -> bool:
        try:
            with urllib.request.urlopen(f"{self.admin[program]}/readyz", timeout=2):
                return True
        except (OSError, urllib.error.HTTPError):
            return False

    def pids(self) -> dict[str, int]:
        """Programs with their processes."""
        shown = self.control("status").splitlines()
        found = (re.match(r"(\w+)\s+RUNNING\s+pid (\d+)", line) for line in shown)
        return {match[1]: int(match[2]) for match in found if match}

    def logs(self) -> str:
        """The end of each."""
        return "\n".join(f"{log.name}: {log.read_text()[-1500:]}" for log in (self.root / "log").iterdir())

    def control(self, *words: str) -> str:
        command = [tool("supervisorctl"), "-c", str(self.root / "supervisord.conf"), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S).stdout


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def until(condition: Callable[[], object], what: str, explain: Callable[[], str] = str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"{what}: {explain()}"
        time.sleep(0.05)


def users() -> Mapping[str, str]:
    """Those that the image's programs can be here."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        return {}
    for those in (USERS, ONLY_ROOT):
        user = those["servo"]
        probe = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--inh-caps=-all"]
        probe += ["--bounding-set=-all", "--no-new-privs", sys.executable, "-c"]
        probe += ["import sys, uvloop, elbflow_agent; print(sys.version)"]
        with contextlib.suppress(OSError):
            # Another interpreter may hide behind the same link.
            if subprocess.run(probe, capture_output=True, text=True, timeout=DEADLINE_S).stdout.strip() == sys.version:
                return those
    return {}


def memory(root: Path) -> Path:
    """Where the image has its keys: in memory, which the rest of the test need not be."""
    return Path("/dev/shm") / f"{root.name}-keys"


def here(name: str, root: Path, those: Mapping[str, str]) -> str:
    """A file of the image with the paths and the users of the test."""
    text = (IMAGE / name).read_text()
    paths = {
        "/run/elbflow/keys": str(memory(root)),
        "/run/elbflow": "run",
        "/var/lib/elbflow": "lib",
        "/var/log/load-balancer-servo": "log",
        "/etc/load-balancer-servo": "etc",
        "/usr/libexec/elbflow": "libexec",
        "/dev/fd0": "floppy",
    }
    for path, directory in paths.items():
        text = text.replace(path, str(root / directory))
    if not those:
        text = _PRIVILEGES.sub("", text).replace("user=root\n", "")
        return re.sub(r"( -o \S+ -g \S+|^chgrp .*$)", "", text, flags=re.MULTILINE)
    for user, other in those.items():
        text = re.sub(rf"(--reuid=|--regid=|-o |-g |chgrp ){user}\b(?!-)", rf"\1{other}", text)
    return text


def configured(root: Path, ports: Mapping[str, int], those: Mapping[str, str]) -> str:
    """The image's supervisord.conf for the test."""
    text = here("supervisord.conf", root, those)
    for word, other in (("elbflow-agent run ", f"{tool('elbflow-agent')} run "), ('"8781"', f'"{ports["servo"]}"')):
        assert word in text
        text = text.replace(word, other)
    text = text.replace("/etc/elbflow/firewall.nft", str(IMAGE / "firewall.nft"))
    return text.replace('"8782"', f'"{ports["worker"]}"')


def prepared(root: Path, those: Mapping[str, str], servo_conf: str) -> None:
    """The directories, made by the image's own script, which waits for what the user data writes."""
    (root / "libexec").mkdir()
    for script in ("keep-haproxy", "haproxy"):
        shutil.copy(IMAGE / script, root / "libexec")
    # Without its privilege it filters nothing: this machine is not ours.
    text = here("firewall", root, those)
    assert "+net_admin," in text
    (root / "libexec" / "firewall").write_text(text.replace("+net_admin,", ""))
    (root / "libexec" / "firewall").chmod(0o755)
    if those:
        root.chmod(0o711)
    script = here("prepare", root, those)
    waiting = subprocess.run(["/bin/sh", "-c", script, "prepare", "0"], capture_output=True, text=True)
    assert waiting.returncode == 1
    assert "servo.conf" in waiting.stderr
    (root / "etc" / "servo.conf").write_text(servo_conf)
    subprocess.run(["/bin/sh", "-c", script, "prepare", "0"], check=True)
    assert (root / "etc" / "servo.conf").stat().st_mode & 0o777 == 0o640
    assert [(root / name).stat().st_mode & 0o7777 for name in (memory(root), "lib", "run/redis")] == [
        0o700,
        0o700,
        0o2750,
    ]
    # As from a floppy, of which there is none.
    (root / "run" / "credential").write_text(RECORDED["floppy"])
    (root / "run" / "credential").chmod(0o600)
    if those:
        shutil.chown(root / "run" / "credential", those["servo"], those["servo"])


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    if not all(map(shutil.which, ("haproxy", "redis-server"))):
        pytest.skip("haproxy or redis-server is not installed")
    root, those = Path(tempfile.mkdtemp(prefix="elb", dir="/tmp")), users()
    address = f"127.{os.getpid() % 100 + 100}.{os.getpid() // 100 % 250}.9"
    served = type("Served", (Metadata,), {"address": address})
    with contextlib.ExitStack() as stack:
        for directory in (root, memory(root)):
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
        metadata = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), served))
        threading.Thread(target=metadata.serve_forever, daemon=True).start()
        stack.callback(metadata.shutdown)
        engine = stack.enter_context(engine_peers.engine("--auth", "off", memory=True))
        lines = ["# written by user data", "ntp_server=0.pool.example.org", "app-cookie-duration=24"]
        lines += ("simpleworkflow_service_url=127.0.0.1", f"webservice_port={engine.url.rpartition(':')[2]}")
        lines.append(f"euare_service_url=http://127.0.0.1:{metadata.server_address[1]}/services/Euare/")
        lines += (f"loadbalancer_owner_account={ACCOUNT}", "swf_endpoint_kind = local", "agent_load_balancer=web")
        prepared(root, those, "\n".join(lines))
        ports = {program: free_port("127.0.0.1") for program in ("servo", "worker")}
        (root / "supervisord.conf").write_text(configured(root, ports, those))
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = f"http://127.0.0.1:{metadata.server_address[1]}"
        environment["PATH"] = f"{environment.get('PATH', os.defpath)}:/usr/sbin:/sbin"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", KEY)
            patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
            asyncio.run(_domain(engine.url))
        systemd = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
        systemd.bind(str(root / "notify"))
        (root / "notify").chmod(0o666)
        environment["NOTIFY_SOCKET"] = str(root / "notify")
        command = [tool("supervisord"), "-n", "-s", "-c", str(root / "supervisord.conf")]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment) as supervisord:
            admin = {program: f"http://127.0.0.1:{port}" for program, port in ports.items()}
            there = Image(root, address, supervisord, admin, those, systemd)
            try:
                until(lambda: supervisord.poll() is not None or all(map(there.ready, ports)), "not ready", there.logs)
                yield there
            finally:
                supervisord.terminate()
                assert supervisord.wait(DEADLINE_S) == 0


async def _domain(url: str) -> None:
    async with swf.Client.open(swf.ClientSettings(endpoint_url=url, region="eucalyptus", poll_connections=1)) as client:
        await client.register_domain(names.DOMAIN, retention_days=1)


async def apply(image: Image, backend: Backend, port: int, generation: int, arn: str = "") -> document.Applied:
    """What the worker does for a ``setLoadBalancer`` activity; with ``arn`` for an HTTPS listener."""
    http = document.Protocol.HTTP
    front = document.Protocol.HTTPS if arn else http
    wanted = document.LoadBalancerDocument(
        document.LoadBalancerKey(ACCOUNT, "web"),
        generation,
        "zone-a",
        (document.Listener(front, port, http, backend.port, arn or None),),
        (document.BackendInstance("i-1", "127.0.0.1"),),
        document.HealthCheck(f"TCP:{backend.port}", 5, 2, 2, 2),
    )
    async with ipc.Client(
        ipc.unix_socket(image.socket), time=clock.SystemClock(), instruments=meters.Meters()
    ) as client:
        return await client.call(INSTANCE, ipc.APPLY, wanted, within_s=20)


async def served(image: Image, port: int, within_s: float = DEADLINE_S, *, gone: int = 0) -> float:
    """Wait until a request is answered, not by the HAProxy that is ``gone``; how long that took."""
    began = time.monotonic()
    while True:
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
            # A worker outlives its master for a moment; the next one empties the file before it writes.
            if image.pid() == gone:
                raise ConnectionRefusedError
            status, _, body = await get(image.address, port)
            if (status, body) == ("200", "backend"):
                return time.monotonic() - began
        assert time.monotonic() < began + within_s
        await asyncio.sleep(0.01)


def test_systemd_hears_once_that_the_vm_serves(image: Image) -> None:
    """From the servo alone: the worker is ready when SWF is, which may take long."""
    assert image.systemd.recv(100) == b"READY=1"
    with pytest.raises(BlockingIOError):
        image.systemd.recv(100)


@pytest.mark.usefixtures("may_block")
async def test_a_vm_serves_and_haproxy_comes_back_by_itself(image: Image) -> None:
    backend = Backend("backend")
    await backend.start()
    try:
        port = free_port(image.address)
        applied = await apply(image, backend, port, 1)
        assert applied.problems == ()
        await served(image, port)
        before, servo = image.pid(), image.pids()["servo"]
        os.kill(servo, signal.SIGSTOP)
        try:
            os.kill(before, signal.SIGKILL)
            assert await served(image, port, gone=before) < BACK_S
        finally:
            os.kill(servo, signal.SIGCONT)
        assert image.pid() != before
        # The servo has found the new one, and does not mind another death.
        assert (await apply(image, backend, port, 2)).generation == 2
        second = image.pid()
        os.kill(second, signal.SIGKILL)
        assert await served(image, port, gone=second) < BACK_S
        assert (await apply(image, backend, port, 3)).generation == 3
        assert logs.connected(image.pid(), image.place / "log.pipe")
        assert image.pids().keys() == {"redis", "firewall", "haproxy", "servo", "worker"}
    finally:
        await backend.stop()


def test_no_program_has_more_than_it_needs(image: Image) -> None:
    if not image.users:
        pytest.skip("only root may give privileges away")
    wanted = {"redis": "servo-redis", "haproxy": "servo", "servo": "servo", "worker": "servo-worker"}
    pids = {**image.pids(), "haproxy's master": image.pid()}
    del pids["firewall"]  # here it has less
    for program, pid in pids.items():
        fields = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
        )
        user = image.users[wanted[program.partition("'")[0]]]
        assert set(fields["Uid"].split()) == {str(pwd.getpwnam(user).pw_uid)}
        group = image.users["servo-haproxy" if "haproxy" in program else "servo"]
        assert set(fields["Gid"].split()) == {str(grp.getgrnam(group).gr_gid)}
        assert fields["NoNewPrivs"].strip() == "1"
        allowed = 1 << NET_BIND_SERVICE if "haproxy" in program else 0
        for kind in ("CapEff", "CapPrm", "CapBnd"):
            assert int(fields[kind], 16) == allowed, (program, kind)


def test_a_vm_that_may_not_filter_says_so_and_serves(image: Image) -> None:
    told = (image.root / "log" / "firewall.log").read_text()
    assert "THIS VM HAS NO CURRENT FIREWALL: " in told
    assert (image.root / "run" / "firewall" / "state").read_text().startswith("off: ")
    with urllib.request.urlopen(f"{image.admin['servo']}/metrics", timeout=5) as answer:
        assert "\nelbflow_agent_firewall_missing 1.0\n" in answer.read().decode()


def test_haproxy_binds_a_port_below_1024(image: Image) -> None:
    if not image.users:
        pytest.skip("only root may give privileges away")

    async def exercise() -> None:
        backend = Backend("backend")
        await backend.start()
        try:
            assert (await apply(image, backend, 80, 10)).problems == ()
            await served(image, 80)
        finally:
            await backend.stop()

    asyncio.run(exercise())
    with pytest.raises(ConnectionRefusedError), socket.create_connection((image.address, 81), timeout=1):
        pass


def test_an_https_listener_of_a_vm_that_may_do_nothing(image: Image) -> None:
    """From the floppy over IAM to the wire, by users without privileges; and the keys are nowhere but in memory."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no shared memory here")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    async def exercise() -> str:
        backend, port = Backend("backend"), free_port(image.address)
        await backend.start()
        try:
            assert (await apply(image, backend, port, 20, RECORDED["arn"])).problems == ()
            _, writer = await asyncio.open_connection(image.address, port, ssl=context)
            shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            writer.transport.abort()
            return ssl.DER_cert_to_PEM_cert(shown)
        finally:
            await backend.stop()

    assert asyncio.run(exercise()) in RECORDED["bundle"]
    (key,) = image.keys.rglob("*.pem")
    assert b"PRIVATE KEY" in key.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    if image.users:
        assert key.owner() == image.keys.owner() == image.users["servo"]
    files = [each for each in image.root.rglob("*") if each.is_file() and each.name != "credential"]
    assert files
    assert [each for each in files if b"PRIVATE KEY" in each.read_bytes()] == []
    secret = RECORDED["bundle"].partition("PRIVATE KEY-----\n")[2][:60]
    assert [each for each in files if secret.encode() in each.read_bytes()] == []
