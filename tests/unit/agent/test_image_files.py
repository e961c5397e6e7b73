"""``deploy/vm`` as far as it can be tried without a VM: the floppy, user data that takes its time, the unit."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from elbflow_agent.haproxy import master

IMAGE = Path(__file__).parents[3] / "deploy" / "vm"
PATHS = {
    "/run/elbflow": "run",
    "/var/lib/elbflow": "lib",
    "/var/log/load-balancer-servo": "log",
    "/etc/load-balancer-servo": "etc",
    "/dev/fd0": "floppy",
}
MOUNT = """#!/bin/sh
echo "$*" >>{root}/mounted
[ ! -e {root}/floppy.bad ] || exit 32
for target; do :; done
cp {root}/floppy "$target/{name}"
"""
UMOUNT = """#!/bin/sh
rm -f "$1"/*
echo "umount" >>{root}/mounted
"""


class Vm:
    """The script with directories of its own, users that there are, and commands that stand for the kernel's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "bin").mkdir()
        text = (IMAGE / "prepare").read_text()
        for path, directory in PATHS.items():
            text = text.replace(path, str(root / directory))
        text = re.sub(r"( -o \S+ -g \S+|^chgrp .*$)", "", text, flags=re.MULTILINE)
        # Nobody's keys, a regular file for a device, and less patience.
        text = text.replace("/root/.ssh", str(root / "root" / ".ssh")).replace("/home/", f"{root}/home/")
        self.script = text.replace("-b ", "-f ").replace("-lt 3", "-lt 2").replace("sleep 1", "sleep 0.1")

    def has_floppy(self, name: str = "credential") -> None:
        (self.root / "floppy").write_bytes(b"the credential")
        for command, body in (("mount", MOUNT), ("umount", UMOUNT)):
            path = self.root / "bin" / command
            path.write_text(body.format(root=self.root, name=name))
            path.chmod(0o755)

    def prepare(self, patience: int = 0) -> int:
        environment = {"PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", "TMPDIR": str(self.root)}
        command = ["/bin/sh", "-c", self.script, "prepare", str(patience)]
        return subprocess.run(command, env=environment, capture_output=True, timeout=30).returncode

    @property
    def credential(self) -> Path:
        return self.root / "run" / "credential"

    @property
    def configuration(self) -> Path:
        (self.root / "etc").mkdir(exist_ok=True)
        return self.root / "etc" / "servo.conf"

    def mounted(self) -> list[str]:
        return (self.root / "mounted").read_text().splitlines()


@pytest.fixture
def vm(tmp_path: Path) -> Vm:
    made = Vm(tmp_path)
    made.configuration.write_text("a=b\n")
    return made


def test_the_floppy_is_read_once_for_one_user_alone_and_not_left_mounted(vm: Vm) -> None:
    vm.has_floppy()
    assert vm.prepare() == 0
    assert vm.credential.read_bytes() == b"the credential"
    assert vm.credential.stat().st_mode & 0o777 == 0o600
    options, umounted = vm.mounted()
    assert options.startswith("-o ro,nosuid,nodev,noexec ")
    assert umounted == "umount"
    assert not Path(options.split()[-1]).exists()
    assert sorted(path.name for path in vm.credential.parent.iterdir()) == ["credential", "firewall", "keys", "redis"]
    assert vm.prepare() == 0
    assert len(vm.mounted()) == 2, "with every start of the service, it is there already"


def test_a_vm_without_its_credential_starts_nevertheless(vm: Vm) -> None:
    """It has no HTTPS then, and says so."""
    assert vm.prepare() == 0
    vm.has_floppy("something else")
    assert vm.prepare() == 0
    (vm.root / "floppy.bad").touch()
    assert vm.prepare() == 0
    assert not vm.credential.exists()


def test_ssh_is_for_a_vm_that_was_launched_with_a_key(vm: Vm, tmp_path: Path) -> None:
    keys = tmp_path / "root" / ".ssh" / "authorized_keys"
    keys.parent.mkdir(parents=True)
    flag = vm.root / "run" / "debug-ssh"
    for text, allowed in ((None, False), ("", False), ("ssh-ed25519 AAAA\n", True), ("", False)):
        if text is not None:
            keys.write_text(text)
        assert vm.prepare() == 0
        assert flag.exists() is allowed


def test_user_data_that_is_still_being_written_is_waited_for(vm: Vm) -> None:
    """It was read after its first line: a VM without IAM's address for ever."""
    assert vm.prepare(patience=1) == 0
    settled = vm.configuration.stat().st_mtime
    os.utime(vm.configuration, (settled - 60, settled - 60))
    began = vm.configuration.stat().st_mtime_ns
    assert vm.prepare(patience=300) == 0, "at once"
    assert vm.configuration.stat().st_mtime_ns == began
    writing = f"printf 'a=b\\n' >{vm.configuration}; sleep 0.5; printf 'c=d\\n' >>{vm.configuration}"
    vm.configuration.unlink()
    with subprocess.Popen(["/bin/sh", "-c", writing]) as user_data:
        assert vm.prepare(patience=200) == 0
        assert user_data.wait() == 0
    assert vm.configuration.read_text() == "a=b\nc=d\n"


def test_the_unit_is_one(tmp_path: Path) -> None:
    """Of what systemd says only that its programs are not on this machine is expected."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    unit = tmp_path / "load-balancer-servo.service"
    shutil.copy(IMAGE / unit.name, unit)
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=30
    )
    complaints = [line for line in told.stderr.splitlines() if "is not executable: No such file" not in line]
    assert complaints == []
    assert "LimitCORE=0" in unit.read_text()
    # With a watchdog systemd would end HAProxy for a servo that hangs, and a limited start for a late one.
    assert {"Type=notify", "NotifyAccess=all", "TimeoutStartSec=infinity"} <= set(unit.read_text().splitlines())
    assert "WatchdogSec" not in unit.read_text()


def test_haproxy_is_told_the_same_about_memory_as_by_the_agent() -> None:
    assert f"-W -db {master.MEMORY} -f" in (IMAGE / "keep-haproxy").read_text()


def test_systemd_lets_every_program_stop_in_its_time() -> None:
    """HAProxy's connections are promised theirs, and it is told to stop when worker and servo have."""
    programs = configparser.RawConfigParser()
    programs.read(IMAGE / "supervisord.conf")
    times = [programs.getint(name, "stopwaitsecs", fallback=10) for name in programs if name.startswith("program:")]
    limit = re.search(r"^TimeoutStopSec=(\d+)$", (IMAGE / "load-balancer-servo.service").read_text(), re.MULTILINE)
    assert limit is not None
    assert int(limit[1]) >= sum(times) > 60


def test_no_package_brings_a_service_of_its_own_into_the_image() -> None:
    """HAProxy's and Redis's packages do, which would run as root, or listen on a port; nftables' empties the filter."""
    text = (IMAGE / "Containerfile").read_text()
    assert "--no-install-recommends haproxy redis-server nftables " in text
    assert "|| true" not in text, "what fails is to be seen when the image is built"
    for service in ("haproxy", "redis-server", "nftables"):
        assert f"ln -sf /dev/null /etc/systemd/system/{service}.service" in text
