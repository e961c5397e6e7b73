"""``elbflow plan``: hypothetical changes become documents for the agent, and its answers a table."""

from __future__ import annotations

import argparse
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest

from elbflow import store
from elbflow.contract import document
from elbflow_standalone import __main__ as command
from elbflow_standalone import layout, load_balancers, plans, stack_file
from elbflow_standalone.commands import plan

HTTP, TCP = document.Protocol.HTTP, document.Protocol.TCP
IN_SERVICE = store.BackendState.IN_SERVICE
DOCUMENT = pydantic.TypeAdapter(document.LoadBalancerDocument)
INSTANCES = [store.Instance("000000000001", "i-new", "10.0.0.9", "local-1b")]
LB = store.LoadBalancer(
    id=1,
    key=document.LoadBalancerKey("000000000001", "web"),
    dns_name="web.example",
    scheme="internet-facing",
    state=store.LoadBalancerState.ACTIVE,
    generation=3,
    created_at=0.0,
    listeners=(document.Listener(HTTP, 80, HTTP, 8000, None, ("sticky",)),),
    zones=tuple(store.Zone(name, store.ZoneState.IN_SERVICE) for name in ("local-1a", "local-1b")),
    backends=(store.Backend("i-old", "10.0.0.1", "local-1a", IN_SERVICE, "N/A", "N/A", 0.0),),
    vms=tuple(
        store.Vm(f"i-vm-{zone}", zone, f"127.1.0.{number}", store.VmState.IN_SERVICE, 0.0)
        for number, zone in enumerate(("local-1a", "local-1b"), 1)
    ),
)


class Where(layout.Layout):
    """A layout whose agent is this test's."""

    agent = ""

    def admin_url(self, service: str) -> str:
        return Where.agent


class Agent(http.server.BaseHTTPRequestHandler):
    """Notes what it is asked and says what it was told to."""

    asked: list[tuple[str, str | None, document.LoadBalancerDocument]] = []  # noqa: RUF012
    status, answer = 200, b""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((self.path, self.headers["Authorization"], DOCUMENT.validate_json(body)))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def where(tmp_path: Path) -> Iterator[layout.Layout]:
    Agent.asked, Agent.status = [], 200
    Agent.answer = json.dumps({"steps": [], "why": [], "problems": []}).encode()
    (tmp_path / "agent-token").write_text("sesame\n")
    with http.server.HTTPServer(("127.0.0.1", 0), Agent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        Where.agent = f"http://127.0.0.1:{server.server_port}"
        yield Where(tmp_path, 9000)
        server.shutdown()
        thread.join()


Run = Callable[..., Any]


@pytest.fixture
def run(where: layout.Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command as a user types it; what it says."""

    async def stored(*_: object) -> store.LoadBalancer:
        return LB

    async def instances(*_: object) -> list[store.Instance]:
        return INSTANCES

    monkeypatch.setattr(load_balancers, "stored", stored)
    monkeypatch.setattr(plan, "_instances", instances)
    monkeypatch.setattr(stack_file, "load_layout", lambda _: where)

    def type_(*words: str, status: int = 0) -> str:
        ended = command.main(["plan", "web", *words])
        said = capsys.readouterr()
        assert ended == status, said
        return said.err if status else said.out

    return type_


def test_every_vm_is_asked_with_its_zones_document(run: Run) -> None:
    said = run()
    assert said.startswith("serves generation 0 of 3 so far")
    assert said.count("nothing to do") == 2
    assert [path for path, _, _ in Agent.asked] == ["/vms/i-vm-local-1a/plan", "/vms/i-vm-local-1b/plan"]
    assert {token for _, token, _ in Agent.asked} == {"Bearer sesame"}
    here, there = (asked for _, _, asked in Agent.asked)
    assert (here.zone, there.zone, here.generation) == ("local-1a", "local-1b", 3)
    assert [(one.instance_id, one.report_health) for one in there.backends] == [("i-old", False)]


def test_hypothetical_changes_are_in_the_documents(run: Run) -> None:
    run("--listener", "tcp:81:tcp:8100", "--idle-timeout", "90", "--register", "i-new", "--deregister", "i-old")
    here, there = (asked for _, _, asked in Agent.asked)
    assert [(each.protocol, each.port) for each in here.listeners] == [(HTTP, 80), (TCP, 81)]
    assert here.attributes.idle_timeout_s == 90
    assert here.backends == ()
    assert [one.instance_id for one in there.backends] == ["i-new"]


def test_a_listener_on_a_used_port_is_changed_and_keeps_its_policies(run: Run) -> None:
    arn = "arn:aws:iam::000000000001:server-certificate/new"
    run("--listener", "HTTP:80:HTTP:8001")
    run("--without-listener", "80")
    run("--listener", f"https:80:http:8001:{arn}")
    assert [asked.listeners for _, _, asked in Agent.asked[::2]] == [
        (document.Listener(HTTP, 80, HTTP, 8001, None, ("sticky",)),),
        (),
        (document.Listener(document.Protocol.HTTPS, 80, HTTP, 8001, arn, ("sticky",)),),
    ]


def test_steps_and_reasons_are_shown(run: Run) -> None:
    answer: dict[str, Any] = {
        "steps": [
            {"means": "reload", "port": None, "what": "idle timeout 60 s becomes 90 s"},
            {"means": "reload", "port": 80, "what": "i-new joins at 10.0.0.9:8000"},
        ],
        "why": ["idle timeout 60 s becomes 90 s"],
        "problems": [
            {"port": 81, "reason": "port is in use by another process"},
            {"port": 82, "reason": "certificate c is fetched then", "is_served": True},
        ],
    }
    Agent.answer = json.dumps(answer).encode()
    said = run("--idle-timeout", "90")
    assert "i-vm-local-1a at 127.1.0.1 in local-1a: needs a reload: idle timeout 60 s becomes 90 s" in said
    assert "i-new joins at 10.0.0.9:8000" in said
    assert "problem on port 81: port is in use by another process" in said
    assert "remark on port 82: certificate c is fetched then" in said
    told = json.loads(run("--json"))
    assert [one["instance_id"] for one in told] == ["i-vm-local-1a", "i-vm-local-1b"]
    assert told[0]["why"] == answer["why"]
    Agent.answer = json.dumps({**answer, "steps": [{**answer["steps"][1], "means": "runtime"}], "why": []}).encode()
    assert "no reload" in run()


def test_what_makes_no_sense_is_said_so(run: Run) -> None:
    assert "no listener on port 99" in run("--without-listener", "99", status=1)
    assert "no instance i-nobody" in run("--register", "i-nobody", status=1)
    assert "i-new is not registered" in run("--deregister", "i-new", status=1)
    Agent.status, Agent.answer = 503, b'{"error": "the VM is starting"}'
    assert "i-vm-local-1a: the VM is starting" in run(status=1)
    Where.agent = "http://127.0.0.1:1"
    assert "the agent does not answer" in run(status=1)
    assert Agent.asked


@pytest.mark.parametrize("text", ["", "HTTP:80", "UDP:80:TCP:80", "HTTP:80:HTTP:x"])
def test_listeners_have_a_form(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="HTTP:8080:HTTP:8000"):
        plan._listener(text)


def test_edits_do_not_touch_the_aggregate() -> None:
    assert plans.idle_timeout(90)(LB).attributes.idle_timeout_s == 90
    assert LB.attributes.idle_timeout_s == 60
