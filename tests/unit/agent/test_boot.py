"""User data and metadata of a VM (spec/vm-agent-data-plane 1.3, F1 to F6)."""

from __future__ import annotations

import http.server
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from elbflow_agent import __main__ as program
from elbflow_agent import boot
from elbflow_agent.boot import servo_conf
from elbflow_agent.settings import VmSettings

IMAGE = Path(__file__).parents[3] / "deploy" / "vm"
TOKEN = "token-1"
LOCAL = "/latest/meta-data/local-ipv4"
MACS = "/latest/meta-data/network/interfaces/macs/"


@dataclass
class Cloud:
    """A metadata service. ``pages`` without the token are what it knows; ``version_1`` answers without one."""

    pages: dict[str, str] = field(default_factory=dict)
    token_status: int = 200
    version_1: bool = False
    stale: int = 0
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> tuple[int, str]:
        self.asked.append(f"{request.command} {request.path}")
        if request.command == "PUT":
            assert int(request.headers["X-aws-ec2-metadata-token-ttl-seconds"]) > 0
            return self.token_status, TOKEN
        if not self.version_1 and (request.headers["X-aws-ec2-metadata-token"] != TOKEN or self.stale):
            self.stale = max(0, self.stale - 1)
            return 401, ""
        return (200, self.pages[request.path]) if request.path in self.pages else (404, "")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    there = Cloud({"/latest/meta-data/instance-id": "i-0a1b", LOCAL: "10.0.0.5"})

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            status, text = there.answer(self)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_PUT = handle_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        there.url = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", there.url)
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED", raising=False)
        yield there
        server.shutdown()


def service(**options: float) -> boot.MetadataService:
    return boot.MetadataService(patience_s=options.get("patience_s", 5.0), sleep=lambda _: None)


def test_version_2_is_asked_with_one_token(cloud: Cloud) -> None:
    there = service()
    assert there.instance_id() == "i-0a1b"
    assert there.data_address() == "10.0.0.5"
    assert [each for each in cloud.asked if each.startswith("PUT")] == ["PUT /latest/api/token"]


def test_an_expired_token_is_renewed(cloud: Cloud) -> None:
    cloud.stale = 1
    assert service().instance_id() == "i-0a1b"
    assert cloud.asked.count("PUT /latest/api/token") == 2


@pytest.mark.parametrize("status", [403, 404, 405])
def test_version_1_where_there_are_no_tokens(cloud: Cloud, status: int) -> None:
    cloud.token_status, cloud.version_1 = status, True
    assert service().instance_id() == "i-0a1b"


def test_the_last_interface_serves(cloud: Cloud) -> None:
    """In a VPC the first one is the control plane's (REQ-1.10)."""
    cloud.pages[MACS] = "02:aa/\n02:bb/\n"
    for mac, number, address in (("02:aa", "1", "192.168.7.4\n192.168.7.5"), ("02:bb", "0", "10.0.0.5")):
        cloud.pages[f"{MACS}{mac}/device-number"] = number
        cloud.pages[f"{MACS}{mac}/local-ipv4s"] = address
    assert service().data_address() == "192.168.7.4"
    del cloud.pages[f"{MACS}02:aa/local-ipv4s"]
    assert service().data_address() == "10.0.0.5"


def test_an_interface_that_the_original_attaches_later_is_waited_for(cloud: Cloud) -> None:
    def attach(mac: str, number: int, address: str) -> None:
        cloud.pages[MACS] = cloud.pages.get(MACS, "") + f"{mac}/\n"
        cloud.pages[f"{MACS}{mac}/device-number"] = str(number)
        cloud.pages[f"{MACS}{mac}/local-ipv4s"] = address

    attach("02:aa", 0, "10.0.0.5")
    there = boot.MetadataService(patience_s=60, sleep=lambda _: attach("02:bb", 1, "192.168.7.4"))
    assert there.data_address(is_attached_later=True) == "10.0.0.5", "no VPC"
    cloud.pages[f"{MACS}02:aa/vpc-id"] = "vpc-1"
    assert there.data_address() == "10.0.0.5"
    assert there.data_address(is_attached_later=True) == "192.168.7.4"

    del cloud.pages[f"{MACS}02:bb/local-ipv4s"]
    with pytest.raises(boot.MetadataUnavailable, match="no interface in the user's subnet after 0 s"):
        service(patience_s=0).data_address(is_attached_later=True)


def test_what_there_is_not_is_told(cloud: Cloud) -> None:
    cloud.pages = {LOCAL: "fe80::1"}
    with pytest.raises(boot.MetadataUnavailable, match="instance-id"):
        service().instance_id()
    with pytest.raises(boot.MetadataUnavailable, match="no IPv4 address"):
        service().data_address()


def test_patience_ends(cloud: Cloud) -> None:
    cloud.token_status = 500
    ticks = iter(range(100))
    there = boot.MetadataService(patience_s=3, monotonic=lambda: float(next(ticks)), sleep=lambda _: None)
    with pytest.raises(boot.MetadataUnavailable, match="within 3 s"):
        there.instance_id()
    assert len(cloud.asked) == 3


def test_keys_of_the_original_become_settings(tmp_path: Path) -> None:
    file = tmp_path / "servo.conf"
    file.write_text(
        "# of user data\n\n simpleworkflow_service_url = swf.example.org \neuare_service_url=iam.example.org\n"
        "webservice_port=9000\nloadbalancer_owner_account=000000000001\nno pair\nunknown=a=b\n"
        "swf_domain=a=b\nagent_instance_id=i-1\nagent_instance_id=i-2\n"
    )
    pairs = servo_conf.read(file)
    assert pairs["unknown"] == "a=b"
    found = servo_conf.settings(pairs, VmSettings.model_fields)
    assert found["swf_endpoint"] == "http://swf.example.org:9000/"
    assert found["agent_iam_endpoint"] == "http://iam.example.org:9000/services/Euare/"
    assert found["swf_endpoint_kind"] == found["swf_region"] == "eucalyptus"
    assert (found["swf_domain"], found["agent_account"], found["agent_instance_id"]) == ("a=b", "000000000001", "i-2")
    assert set(found) <= set(VmSettings.model_fields)


def test_ports_and_schemes() -> None:
    pairs = {"simpleworkflow_service_url": "swf.example.org"}
    assert servo_conf.settings(pairs, {"swf_endpoint"}) == {"swf_endpoint": "http://swf.example.org:8773/"}
    pairs = {"simpleworkflow_service_url": "https://swf.example.org/"}
    assert servo_conf.settings(pairs, {"swf_endpoint"}) == {"swf_endpoint": "https://swf.example.org/"}
    assert servo_conf.settings({"webservice_port": "1"}, {"swf_endpoint"}) == {}


def test_variables_win_and_metadata_fills_in(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELBFLOW_AGENT_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("ELBFLOW_AGENT_REDIS_SOCKET", str(tmp_path / "redis.sock"))
    monkeypatch.setenv("ELBFLOW_AGENT_HAPROXY", "/bin/true")
    monkeypatch.setenv("ELBFLOW_SWF_REGION", "here")
    file = tmp_path / "servo.conf"
    file.write_text("simpleworkflow_service_url=swf.example.org\nagent_instance_id=i-said\n")
    settings = VmSettings(agent_servo_conf=file)
    assert (settings.swf_region, settings.swf_endpoint_kind) == ("here", "eucalyptus")
    assert (settings.agent_instance_id, str(settings.agent_address)) == ("i-said", "10.0.0.5")
    assert not any("instance-id" in each for each in cloud.asked)


def test_wrong_user_data_is_told_and_not_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    options = ["--run-dir", str(tmp_path), "--redis-socket", "/nowhere", "--haproxy", "/bin/true"]
    assert program.main(["run", "--servo-conf", str(tmp_path / "absent"), *options]) == 2
    assert "absent" in capsys.readouterr().err
    (tmp_path / "servo.conf").write_text("agent_instance_id=../i\n")
    assert program.main(["run", "--servo-conf", str(tmp_path / "servo.conf"), *options]) == 2
    told = capsys.readouterr().err
    assert "agent_instance_id" in told
    assert "agent_address" in told


def test_the_example_of_user_data_gives_a_whole_configuration(tmp_path: Path) -> None:
    """Run as cloud-init runs it: without the first line, which the cloud takes away."""
    marker, _, script = (IMAGE / "user-data.sh").read_text().partition("\n")
    assert re.fullmatch(r"euca-[A-Za-z0-9+/=]+:\d+", marker)
    written = script.partition("chown ")[0].replace("/etc/load-balancer-servo", str(tmp_path))
    subprocess.run(["bash", "-euc", written], check=True, env={"PATH": os.environ["PATH"]})
    found = servo_conf.settings(servo_conf.read(tmp_path / "servo.conf"), VmSettings.model_fields)
    assert found["swf_endpoint"] == "http://simpleworkflow.cloud.example.org:8773/"
    assert (found["agent_account"], found["agent_load_balancer"]) == ("000000000001", "web")


def test_the_image_copies_what_there_is() -> None:
    text = (IMAGE / "Containerfile").read_text()
    sources = [word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for word in line.split()]
    assert sources
    assert [each for each in sources if not (IMAGE.parents[1] / each).exists()] == []
    for script in ("keep-haproxy", "haproxy", "prepare"):
        assert os.access(IMAGE / script, os.X_OK)
        assert f"deploy/vm/{script}" in sources
