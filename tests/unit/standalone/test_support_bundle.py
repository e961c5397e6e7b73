"""``elbflow support-bundle``: everything that helps, and no secret wherever one may stand."""

from __future__ import annotations

import base64
import json
import socketserver
import stat
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from elbflow_agent.haproxy import model, place, render
from elbflow_standalone import __main__ as command
from elbflow_standalone import credentials, layout, stack_file
from elbflow_standalone.support import masks, pieces, public_keys

KEY = ec.generate_private_key(ec.SECP256R1())
PRIVATE = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
DER = base64.b64encode(
    KEY.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
).decode()
PUBLIC = (
    KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)
OWN_KEY, APPLICATIONS_KEY = "0123456789abcdef" * 2, "fedcba9876543210" * 2
MASTER_KEY = "bWFzdGVyLWtleS1vZi10aGUtc3RvcmUtMzItYnl0ZXM="
COOKIE_VALUE = "5a5a5a5a5a5a5a5a"
STATISTICS = f"# pxname,svname,cookie,status,\nbe-80,i-1,{COOKIE_VALUE},UP,\n\n"
PLANTED = {
    "session token": "FwoGZXIvYXdzEPLANTED",
    "environment": "environment-password-1",
    "password in an address": "hunter2hunter2",
    "bearer": "bearerbearerbearer",
    "secret file": "word-of-a-secret-file",
}


class Answers(socketserver.StreamRequestHandler):
    """Answers any of HAProxy's sockets."""

    def handle(self) -> None:
        asked = self.rfile.readline().decode().strip()
        self.wfile.write(STATISTICS.encode() if asked == "show stat" else f"answer to {asked}\n".encode())


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """One VM with all that a VM has, below a path that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="elb", dir="/tmp") as name:
        vm = Path(name) / "i-vm1"
        vm.mkdir()
        servers = []
        for socket_name in ("admin.sock", "master.sock"):
            server = socketserver.ThreadingUnixStreamServer(str(vm / socket_name), Answers)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            servers.append(server)
        fill(vm)
        yield Path(name)
        for server in servers:
            server.shutdown()
            server.server_close()


def fill(vm: Path) -> None:
    http = model.Mode.HTTP
    listeners = (
        model.Listener(80, http, stickiness=model.Stickiness(OWN_KEY)),
        model.Listener(81, http, stickiness=model.AppStickiness(APPLICATIONS_KEY, "SID")),
    )
    configuration = render.render(
        model.Model("127.0.0.1", 60, listeners), place.Place(vm, vm / "keys"), place.Limits(1000, 60)
    )
    (vm / "haproxy.cfg").write_text(configuration)
    policies = [
        {"name": "good", "type_name": "PublicKeyPolicyType", "attributes": [["PublicKey", PUBLIC]]},
        {"name": "bad", "type_name": "PublicKeyPolicyType", "attributes": [["PublicKey", PRIVATE]]},
        {"name": "bare", "type_name": "PublicKeyPolicyType", "attributes": [["PublicKey", DER]]},
    ]
    (vm / "document.json").write_text(json.dumps({"generation": 7, "policies": policies}))
    (vm / "haproxy.log").write_text(f"[ALERT] near dynamic-cookie-key {OWN_KEY}\nSet-Cookie: AWSELB={COOKIE_VALUE}\n")
    (vm / "routes.map").write_text(f"{COOKIE_VALUE} i-1\n")
    (vm / "identity.pem").write_text(PRIVATE)
    (vm / "keys").mkdir()
    (vm / "keys" / "443.pem").write_text(PRIVATE)


@pytest.fixture
def where(tmp_path: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> layout.Layout:
    """A stack that does not run, with a secret wherever one can be."""
    monkeypatch.setattr(layout.Layout, "agent_dir", property(lambda _: run_dir))
    found = layout.Layout(tmp_path / "data", 1)
    found.log_dir.mkdir(parents=True)
    keys = credentials.load_or_create(found)
    found.master_key_file.write_text(MASTER_KEY)
    stack_file.write(found.stack_file, {"base_port": 1})
    log_lines = [
        json.dumps({"event": "began", "level": "info", "session_token": PLANTED["session token"]}),
        json.dumps({"event": f"failed with {keys.system.secret_access_key}", "level": "error", "pem": PRIVATE}),
        f"Traceback: postgresql://elbflow:{PLANTED['password in an address']}@db/elbflow",
        f"> Authorization: Bearer {PLANTED['bearer']}",
        f"the agent's token is {found.token_file.read_text()}, the store's key {MASTER_KEY}",
        PRIVATE,
    ]
    (found.log_dir / "api.log").write_text("\n".join(log_lines))
    secrets_dir = tmp_path / "secrets"
    secrets_dir.mkdir()
    (secrets_dir / "elbflow_store_url").write_text(PLANTED["secret file"])
    monkeypatch.setenv("ELBFLOW_SECRETS_DIR", str(secrets_dir))
    monkeypatch.setenv("ELBFLOW_NOTE", f"it is {PLANTED['secret file']}")
    monkeypatch.setenv("ELBFLOW_STORE_PASSWORD", PLANTED["environment"])
    monkeypatch.setenv("ELBFLOW_STORE_URL", f"postgresql://u:{PLANTED['password in an address']}@db/elbflow")
    return found


def members(path: Path) -> dict[str, str]:
    with tarfile.open(path) as tar:
        return {
            entry.name.partition("/")[2]: file.read().decode()
            for entry in tar.getmembers()
            if (file := tar.extractfile(entry)) is not None
        }


def secrets_of(where: layout.Layout) -> dict[str, str]:
    keys = credentials.load(where)
    body = "".join(PRIVATE.splitlines()[1:-1])
    return {
        **PLANTED,
        "administrator": keys.administrator.secret_access_key,
        "system": keys.system.secret_access_key,
        "agent token": where.token_file.read_text(),
        "master key": MASTER_KEY,
        "cookie key": OWN_KEY,
        "application's cookie key": APPLICATIONS_KEY,
        "application's cookie key as HAProxy has it": base64.b64encode(APPLICATIONS_KEY.encode()).decode(),
        "cookie": COOKIE_VALUE,
        "private key": PRIVATE.splitlines()[1],
        "private key in one line": body[:40],
        "bare private key": DER[:40],
    }


def test_no_secret_is_in_the_bundle(where: layout.Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "bundle.tar.gz"
    assert command.main(["support-bundle", "--data-dir", str(where.data_dir), "--output", str(output)]) == 0
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    found = members(output)
    said = capsys.readouterr()
    everything = "\n".join([*found, *found.values(), said.out, said.err])
    leaked = [name for name, secret in secrets_of(where).items() if secret in everything]
    assert leaked == []
    assert not [name for name in found if name.endswith((".pem", ".map", ".sqlite")) or "credentials" in name]


def test_what_helps_is_in_it(where: layout.Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "bundle.tar.gz"
    command.main(["support-bundle", "--data-dir", str(where.data_dir), "--output", str(output)])
    found = members(output)
    assert "dynamic-cookie-key [redacted]" in found["vms/i-vm1/haproxy.cfg"]
    assert "hmac(sha256,[redacted])" in found["vms/i-vm1/haproxy.cfg"]
    assert "bind 127.0.0.1:81" in found["vms/i-vm1/haproxy.cfg"]
    policies = {each["name"]: each["attributes"] for each in json.loads(found["vms/i-vm1/document.json"])["policies"]}
    assert policies == {
        "good": [["PublicKey", PUBLIC]],
        "bad": [["PublicKey", "[redacted]"]],
        "bare": [["PublicKey", "[redacted]"]],
    }
    assert found["vms/i-vm1/show-stat.csv"].splitlines()[:2] == ["# pxname,svname,status,", "be-80,i-1,UP,"]
    assert found["vms/i-vm1/workers.txt"] == "answer to show proc\n"
    assert '"began"' in found["logs/api.log"]
    assert [json.loads(line)["level"] for line in found["problems.jsonl"].splitlines()] == ["error"]
    assert json.loads(found["settings.json"])["programs"].keys() >= {"engine", "agent", "redis"}
    assert json.loads(found["versions.json"])["python"]
    said = capsys.readouterr().err
    assert "collecting vms/i-vm1" in said
    assert "lacking: status.json: No stack is running here" in said
    assert "metrics/agent.txt" in found["lacking.txt"]


def test_an_agents_run_directory_alone(run_dir: Path, tmp_path: Path) -> None:
    for given in (run_dir, run_dir / "i-vm1"):
        output = tmp_path / f"{given.name}.tar.gz"
        assert command.main(["support-bundle", "--run-dir", str(given), "--output", str(output)]) == 0
        found = members(output)
        assert "vms/i-vm1/document.json" in found
        assert OWN_KEY not in "".join(found.values())
        assert found["lacking.txt"] == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--run-dir", "{tmp}/nowhere"], "is no directory; name the agent's run directory"),
        (["--run-dir", "{tmp}"], "there is no VM in"),
        (["--data-dir", "{tmp}"], "No stack was ever started"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["support-bundle", *(word.format(tmp=tmp_path) for word in words)]) == 1
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_stays(run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "bundle.tar.gz"
    output.write_text("precious")
    assert command.main(["support-bundle", "--run-dir", str(run_dir), "--output", str(output)]) == 1
    assert "cannot be written (File exists); name another place with --output" in capsys.readouterr().err
    assert output.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.tar.gz"]


def test_a_log_that_is_cut_within_a_key(tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    log.write_text(f"before\n{PRIVATE}after\n")
    mask = masks.Masks(())
    cut: Callable[[int], str] = lambda most: mask.log(pieces.tail(log, most))  # noqa: E731
    lines = PRIVATE.splitlines()
    for most in range(5, log.stat().st_size + 2):
        assert not any(line in cut(most) for line in lines[1:-1])
    assert cut(1000) == "before\n[redacted]\nafter\n"


def test_public_keys() -> None:
    der = base64.b64encode(
        KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ).decode()
    assert public_keys.public(PUBLIC) == PUBLIC
    assert public_keys.public(der) == PUBLIC
    assert public_keys.public(PUBLIC + PRIVATE) == PUBLIC
    for other in (PRIVATE, DER, "", "text", "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"):
        assert public_keys.public(other) is None
