"""``deploy/vm/firewall`` in a network of its own: a VM, a client and a metadata service, which are two namespaces.

What it does with a file that means ill, and without ``nft``, is tried with an ``nft`` that only writes down what it is
told; for that nobody has to be root.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

IMAGE = Path(__file__).parents[3] / "deploy" / "vm"
PROGRAM, AGENT, WORKER, PROXY, STRANGER = "list", "games", "daemon", "mail", "www-data"
"""Users and groups that every Debian has, for the image's."""
VM, ELSEWHERE, METADATA = "10.9.0.1", "10.9.0.2", "169.254.169.254"
VM6, ELSEWHERE6 = "fd00:9::1", "fd00:9::2"
DROPPED_S = 0.2
WITHIN_S = 10.0
_NEW_NETWORK = 0x40000000

_T = TypeVar("_T")


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


class Script:
    """The program with directories of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "state" / "state"
        self.configuration = root / "lib" / "i-1" / "haproxy.cfg"
        self.ssh = root / "debug-ssh"
        self.configuration.parent.mkdir(parents=True)
        self.state.parent.mkdir()
        text = (IMAGE / "firewall").read_text()
        here = {"=servo-firewall": f"={PROGRAM}", "/run/elbflow/debug-ssh": str(self.ssh), "sleep 0.5": "sleep 0.05"}
        for old, new in here.items():
            assert old in text
            text = text.replace(old, new)
        rules = (IMAGE / "firewall.nft").read_text()
        for old, new in (('"servo-haproxy"', f'"{PROXY}"'), ('"servo", "servo-worker"', f'"{AGENT}", "{WORKER}"')):
            assert old in rules
            rules = rules.replace(old, new)
        self.rules, self.program = root / "firewall.nft", root / "firewall"
        self.rules.write_text(rules)
        self.program.write_text(text)
        self.program.chmod(0o755)

    def binds(self, *words: str) -> None:
        """HAProxy's file, replaced as the agent does it."""
        part = self.configuration.with_suffix(".part")
        part.write_text("global\n    stats socket unix@/x\n" + "".join(f"    bind {word}\n" for word in words))
        part.replace(self.configuration)

    def says(self) -> str:
        return self.state.read_text() if self.state.exists() else ""

    @contextlib.contextmanager
    def running(self, *prefix: str, path: str | None = None) -> Iterator[subprocess.Popen[str]]:
        command = [*prefix, str(self.program), str(self.root / "lib"), str(self.rules), str(self.state), "0.1"]
        environment = {"PATH": path if path is not None else "/usr/sbin:/usr/bin:/sbin:/bin"}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as there:
            try:
                yield there
            finally:
                there.terminate()


class FakeNft(Script):
    """With an ``nft`` that writes down what it gets, for a user who is not root."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.told = root / "told"
        self.tools = root / "bin"
        self.tools.mkdir()
        for tool in ("awk", "cat", "head", "mv", "sleep"):
            found = shutil.which(tool)
            assert found is not None
            (self.tools / tool).symlink_to(found)
        self._tool("id", "echo 1000")

    def has_nft(self, body: str = "") -> None:
        self._tool("nft", body or f"cat >{self.told}.part && mv {self.told}.part {self.told}")

    def elements(self) -> list[str]:
        lines = self.told.read_text().splitlines() if self.told.exists() else []
        return [line.removeprefix("add element inet elbflow ") for line in lines if line.startswith("add element")]

    def _tool(self, name: str, body: str) -> None:
        part = self.tools / f"{name}.part"
        part.write_text(f"#!/bin/sh\n{body}\n")
        part.chmod(0o755)
        part.replace(self.tools / name)


def test_nothing_but_numbers_comes_out_of_the_file(tmp_path: Path) -> None:
    there = FakeNft(tmp_path)
    there.has_nft()
    there.binds(
        "10.0.0.1:80 ssl crt /x",
        "0.0.0.0:443",
        "10.0.0.1:22",
        "10.0.0.1:0",
        "10.0.0.1:65536",
        "10.0.0.256:80",
        "10.0.0.1:80-90",
        "10.0.0.1:81;flush",
        "10.0.0.1:$(id)",
        "*:82",
        ":::83",
        "unix@/tmp/x",
        "10.0.0.1:000000000080",
        "010.0.0.1:08080 }",
        "[fd00::8]:80 ssl",
        "[1:2:3:4:5:6:7:8]:443",
        "[fd00::8]:22",
        "[1:2:3:4:5:6:7]:80",
        "[1::2::3]:80",
        "[:::]:80",
        "[fd00:12345::]:80",
        "[fd00::8}]:80",
        "[::ffff:10.0.0.1]:80",
    )
    wanted = ["listeners { 10.0.0.1 . 80 }", "everywhere { 443 }", "listeners { 10.0.0.1 . 8080 }"]
    wanted += ["listeners6 { fd00::8 . 80 }", "listeners6 { 1:2:3:4:5:6:7:8 . 443 }"]
    with there.running(path=str(there.tools)):
        until(lambda: there.elements() == wanted, f"not {wanted}")
        until(lambda: there.says() == "on\n", "not on")
        told = there.told.read_text()
        assert told.startswith(there.rules.read_text()), "one file, so all of it or nothing is in force"
        there.binds(*(f"10.0.{number // 250}.{number % 250}:80" for number in range(3000)))
        until(lambda: len(there.elements()) == 1000, "a file without an end is read to one")
        there.ssh.touch()
        there.binds("10.0.0.1:80")
        until(lambda: there.elements() == ["administration { 22 }", "listeners { 10.0.0.1 . 80 }"], "no SSH")


def test_a_vm_without_a_filter_says_so_until_it_has_one(tmp_path: Path) -> None:
    there = FakeNft(tmp_path)
    there.binds("10.0.0.1:80")
    with there.running(path=str(there.tools)) as program:
        assert program.stderr is not None
        until(lambda: there.says() == "off: nft is not installed\n", "nothing said")
        assert program.stderr.readline() == "elbflow: THIS VM HAS NO CURRENT FIREWALL: nft is not installed\n"
        there.has_nft("echo 'Operation not permitted' >&2; exit 1")
        until(lambda: there.says() == "off: nft: Operation not permitted\n", "nothing said")
        there.has_nft()
        until(lambda: there.says() == "on\n", "not on by itself")
        assert there.elements() == ["listeners { 10.0.0.1 . 80 }"]


class Namespace:
    """A network of its own, held by a process that does nothing."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._holder = stack.enter_context(
            subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 120"], stdout=subprocess.PIPE)
        )
        stack.callback(self._holder.kill)
        assert self._holder.stdout is not None
        if not self._holder.stdout.readline():
            pytest.skip("this kernel lets nobody make network namespaces")
        self.pid = self._holder.pid

    def run(self, *words: str) -> None:
        subprocess.run(["nsenter", "-t", str(self.pid), "-n", *words], check=True, timeout=10)

    def inside(self, work: Callable[[], _T], user: str = "root", group: str = "root") -> _T:
        """What ``work`` returns in this network, for this user: both are a thread's own."""
        results: list[_T] = []
        faults: list[BaseException] = []

        def enter() -> None:
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/proc/{self.pid}/ns/net", "rb") as network:
                entered = libc.setns(network.fileno(), _NEW_NETWORK)
            try:
                assert entered == 0
                libc.setfsgid(pwd.getpwnam(group).pw_gid)
                libc.setfsuid(pwd.getpwnam(user).pw_uid)
                results.append(work())
            except BaseException as fault:
                faults.append(fault)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if faults:
            raise faults[0]
        return results[0]


@dataclass
class Network:
    """The VM with sockets that listen, and whatever else there is."""

    vm: Namespace
    others: Namespace
    script: Script

    def listens(self, namespace: Namespace, address: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return namespace.inside(lambda: socket.create_server((address, port), family=family))

    def connects(self, port: int, address: str = VM) -> socket.socket:
        return self.others.inside(lambda: socket.create_connection((address, port), timeout=DROPPED_S))

    def is_open(self, port: int, address: str = VM) -> bool:
        try:
            self.connects(port, address).close()
        except TimeoutError:
            return False
        return True


@pytest.fixture
def network() -> Iterator[Network]:
    if os.getuid() != 0:
        pytest.skip("only root may make network namespaces")
    missing = [tool for tool in ("nft", "ip", "unshare", "nsenter", "setpriv") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}; apt-get install nftables iproute2 util-linux")
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="elb", dir="/tmp")))
        root.chmod(0o755)
        script = Script(root)
        shutil.chown(script.state.parent, PROGRAM)
        # As the servo's: no other user may look.
        shutil.chown(root / "lib", AGENT)
        (root / "lib").chmod(0o700)
        vm, others = Namespace(stack), Namespace(stack)
        link = ["ip", "link", "add", "data", "netns", str(vm.pid), "type", "veth", "peer", "data", "netns"]
        if subprocess.run([*link, str(others.pid)], capture_output=True, timeout=10).returncode != 0:
            pytest.skip("this kernel has no pairs of virtual interfaces")
        for namespace, addresses in ((vm, [VM, VM6]), (others, [ELSEWHERE, METADATA, ELSEWHERE6])):
            commands = [f"ip addr add {each}/{64 if ':' in each else 24} dev data" for each in addresses]
            commands.insert(0, "echo 0 >/proc/sys/net/ipv6/conf/data/accept_dad")
            commands += ["ip link set data up", "ip link set lo up"]
            namespace.run("sh", "-c", " && ".join(commands))
        vm.run("ip", "route", "add", f"{METADATA}/32", "dev", "data")
        yield Network(vm, others, script)


def test_a_vm_answers_where_its_load_balancer_listens_and_nowhere_else(network: Network) -> None:
    vm, script = network.vm, network.script
    with contextlib.ExitStack() as stack:
        for port in (80, 8080):
            stack.enter_context(network.listens(vm, VM6, port))
        for port in (22, 80, 8080, 9100):
            stack.enter_context(network.listens(vm, "0.0.0.0" if port == 22 else VM, port))
        server = stack.enter_context(network.listens(network.others, ELSEWHERE, 80))
        assert all(map(network.is_open, (22, 80, 8080, 9100)))
        script.binds(f"{VM}:80", "10.9.9.9:8080", f"[{VM6}]:8080")
        stack.enter_context(script.running("nsenter", "-t", str(vm.pid), "-n"))
        until(lambda: script.says() == "on\n", "no filter")
        assert [network.is_open(port) for port in (22, 80, 8080, 9100)] == [False, True, False, False]
        assert [network.is_open(port, VM6) for port in (80, 8080)] == [False, True]
        vm.inside(lambda: socket.create_connection((VM, 9100), timeout=1)).close()
        with vm.inside(lambda: socket.create_connection((ELSEWHERE, 80), timeout=1)), server.accept()[0] as taken:
            taken.sendall(b"from an instance")
        kept = stack.enter_context(network.connects(80))
        script.ssh.touch()
        script.binds(f"{VM}:8080 ssl crt /x")
        until(lambda: network.is_open(8080), "the other listener's port")
        assert [network.is_open(port) for port in (22, 80, 9100)] == [True, False, False]
        kept.sendall(b"what began before goes on")
        questions(network)


def questions(network: Network) -> None:
    """UDP: answers come in, and nobody asks the VM anything."""

    def bound(address: str) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((address, 0))
        made.settimeout(DROPPED_S)
        return made

    with network.vm.inside(lambda: bound(VM)) as inner, network.others.inside(lambda: bound(ELSEWHERE)) as outer:
        outer.sendto(b"unasked", inner.getsockname())
        with pytest.raises(TimeoutError):
            inner.recv(100)
        inner.sendto(b"question", outer.getsockname())
        assert outer.recv(100) == b"question"
        outer.sendto(b"answer", inner.getsockname())
        assert inner.recv(100) == b"answer"


def test_the_metadata_service_is_the_agents_and_roots(network: Network) -> None:
    vm, script = network.vm, network.script

    def reaches(user: str, group: str) -> bool:
        try:
            vm.inside(lambda: socket.create_connection((METADATA, 80), timeout=1), user, group).close()
        except ConnectionRefusedError:
            return False
        return True

    with network.listens(network.others, METADATA, 80), script.running("nsenter", "-t", str(vm.pid), "-n") as program:
        until(lambda: script.says() == "on\n", "no filter")
        for user in ("root", AGENT, WORKER):
            assert reaches(user, AGENT), user
        for user, group in ((STRANGER, STRANGER), (STRANGER, AGENT), (AGENT, PROXY), (PROGRAM, PROGRAM)):
            assert not reaches(user, group), (user, group)
        lines = Path(f"/proc/{program.pid}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert set(status["Uid"].split()) == {str(pwd.getpwnam(PROGRAM).pw_uid)}
        assert {int(status[kind], 16) for kind in ("CapEff", "CapPrm", "CapBnd")} == {1 << 12 | 1 << 2}
        assert status["NoNewPrivs"].strip() == "1"
