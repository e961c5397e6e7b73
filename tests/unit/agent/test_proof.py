"""Pure parts of staying in step with HAProxy: comparing, foretelling, and reading answers to many commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from elbflow_agent.haproxy import compare, model, orders, place, preview, render, running, runtime

ADDRESS = "127.0.0.1"
WHERE = place.Place(Path("/run/elbflow/vm"))
LIMITS = place.Limits(1000, 60)
READY, DRAIN, MAINT = model.Admin.READY, model.Admin.DRAIN, model.Admin.MAINT


def served(*listeners: model.Listener, idle_timeout_s: int = 60) -> model.Model:
    return model.Model(ADDRESS, idle_timeout_s, listeners)


def web(port: int = 80, *names: str, **options: object) -> model.Listener:
    servers = tuple(model.Server(name, "10.0.0.1", 8000, READY) for name in names)
    return model.Listener(port, model.Mode.HTTP, servers=servers, **options)  # type: ignore[arg-type]


def tag(wanted: model.Model) -> str:
    return render.tag(wanted, WHERE, LIMITS)


def in_force(wanted: model.Model) -> running.Running:
    """What a HAProxy says that serves ``wanted``."""
    servers = {
        (listener.backend, server.name): running.RunningServer(server.address, server.port, server.admin)
        for listener in wanted.listeners
        for server in listener.servers
    }
    return running.Running(tag(wanted), 7, servers, wanted.ports)


def changed(server: running.Situated, **fields: object) -> running.RunningServer:
    """The server, otherwise."""
    values = {"address": server.address, "port": server.port, "admin": server.admin, **fields}
    return running.RunningServer(**values)  # type: ignore[arg-type]


def kinds(actual: running.Running, wanted: model.Model, **options: object) -> list[str]:
    return [each.kind for each in compare.differences(actual, wanted, tag(wanted), **options)]  # type: ignore[arg-type]


def test_what_serves_the_model_does_not_differ_from_it() -> None:
    wanted = served(web(80, "i-1", "i-2"), web(81))
    assert kinds(in_force(wanted), wanted) == []


def test_each_kind_of_difference_is_found() -> None:
    wanted = served(web(80, "i-1", "i-2"))
    actual, key = in_force(wanted), ("be-80", "i-1")
    assert kinds(in_force(served(web(80, "i-1", "i-2"), idle_timeout_s=61)), wanted) == ["version"]
    assert kinds(replace(actual, ports=frozenset({81})), wanted) == ["listener", "listener"]
    without = {name: server for name, server in actual.servers.items() if name != key}
    assert kinds(replace(actual, servers=without), wanted) == ["server"]
    moved = {**actual.servers, key: changed(actual.servers[key], port=1)}
    assert kinds(replace(actual, servers=moved), wanted) == ["address"]
    ill = {**actual.servers, key: changed(actual.servers[key], admin=MAINT)}
    assert kinds(replace(actual, servers=ill), wanted) == ["state"]


@pytest.mark.parametrize(
    ("admin", "leaves", "expected"), [(DRAIN, True, []), (READY, True, ["state"]), (MAINT, False, ["server"])]
)
def test_only_a_server_that_leaves_may_still_be_there(admin: model.Admin, leaves: bool, expected: list[str]) -> None:
    actual, key = in_force(served(web(80, "i-1", "i-2"))), ("be-80", "i-2")
    actual = replace(actual, servers={**actual.servers, key: changed(actual.servers[key], admin=admin)})
    assert kinds(actual, served(web(80, "i-1")), leaving={key} if leaves else ()) == expected


def foretold(before: model.Model, after: model.Model) -> preview.Preview:
    return preview.preview(in_force(before), before, after, tag(after), drain_s=30)


def test_members_and_health_need_the_runtime_api_alone() -> None:
    before = served(web(80, "i-1", "i-2"))
    servers = (
        model.Server("i-2", "10.0.0.9", 8000, MAINT),
        model.Server("i-3", "10.0.0.3", 8000, READY),
    )
    told = foretold(before, served(replace(web(80), servers=servers)))
    assert told.why == ()
    assert [(step.means, step.port, step.what) for step in told.steps] == [
        ("runtime", 80, "i-2 moves to 10.0.0.9:8000"),
        ("runtime", 80, "i-3 joins at 10.0.0.3:8000"),
        ("runtime", 80, "i-2 gets no more traffic"),
        ("runtime", 80, "i-3 gets traffic"),
        ("runtime", 80, "i-1 leaves: no new requests, removed within 30 s"),
    ]


def test_reasons_for_a_reload_are_named_without_secrets() -> None:
    key = "ab" * 16
    before = served(web(80, "i-1"), web(81), web(82, stickiness=model.Stickiness(key, 60)))
    after = served(
        web(80, "i-1", tls_to_servers=True),
        web(82, stickiness=model.Stickiness("cd" * 16, 90)),
        web(83, "i-1", "i-2", stickiness=model.Stickiness(key)),
        idle_timeout_s=90,
    )
    told = foretold(before, after)
    assert told.why == (
        "idle timeout 60 s becomes 90 s",
        "listener 80: tls to servers is switched on",
        "listener 82: stickiness: key changes",
        "listener 82: stickiness: duration 60 s becomes 90 s",
        "listener 83 (http) is added with 2 servers",
        "listener 81 is removed; its connections may finish",
    )
    assert {step.means for step in told.steps} == {preview.Means.RELOAD}
    assert key not in str(told)


def test_an_updated_agent_explains_its_reload() -> None:
    wanted = served(web(80, "i-1"))
    told = preview.preview(replace(in_force(wanted), tag="other"), wanted, wanted, tag(wanted), drain_s=0)
    assert told.why == ("the configuration that runs (other) is written differently now",)
    assert preview.preview(None, None, wanted, tag(wanted), drain_s=0).why == ("HAProxy does not run",)


def test_another_certificate_needs_no_reload() -> None:
    tls = model.Tls(model.TlsVersion.V1_2, model.TlsVersion.V1_2, ("ECDHE-RSA-AES128-GCM-SHA256",))
    before, after = (
        served(web(443, tls=tls, certificate=model.Certificate(each * 32, each.upper() * 20))) for each in ("aa", "bb")
    )
    told = foretold(before, after)
    assert told.why == ()
    assert [step.what for step in told.steps] == ["listener 443 shows another certificate"]


def test_answers_are_told_apart() -> None:
    """As HAProxy 2.6 gives them: an empty line ends an answer, but for that to a deletion."""
    key = ("be-80", "i-1")
    add, move = (
        orders.add_server("be-80", model.Server("i-1", "10.0.0.1", 80), ""),
        orders.set_address(key, "10.0.0.2", 80),
    )
    ready, delete = orders.set_state(key, READY), orders.delete_server(key)
    text = "New server registered.\n\n\nIP changed\n\nNo such server.\n\n\n"
    lot = [add, ready, move, ready, ready]
    answers = runtime.split(text, lot, "admin.sock")
    assert answers == ["New server registered.", "", "IP changed", "No such server.", ""]
    assert [order.obeyed(answer) for order, answer in zip(lot, answers, strict=True)] == [True, True, True, False, True]
    assert runtime.split("Server deleted.\nNo such server.\n", [delete, delete], "s") == [
        "Server deleted.",
        "No such server.",
    ]
    assert runtime.split("Server deleted.\n\nNo such server.\n\n", [delete, delete], "s") == [
        "Server deleted.",
        "No such server.",
    ]
    with pytest.raises(runtime.Unreachable, match="1 answers to 2"):
        runtime.split("New server registered.\n\n", [add, ready], "admin.sock")


def test_sessions_of_clients_are_found() -> None:
    text = (
        "0x55d0: proto=tcpv4 src=127.0.0.1:5 fe=fe-80 be=be-80 srv=i-1 ts=00 epoch=0 age=1s calls=2\n"
        "0x55d1: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> srv=<none> ts=00 age=0s\n"
    )
    assert running.parse_sessions(text) == {"0x55d0": ("be-80", "i-1")}
