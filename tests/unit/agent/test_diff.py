"""Runtime commands for every kind of difference."""

from __future__ import annotations

from dataclasses import replace

from elbflow_agent.haproxy import diff, model, running

READY, DRAIN, MAINT = model.Admin.READY, model.Admin.DRAIN, model.Admin.MAINT
ONE = model.Server("i-1", "10.0.0.1", 8000, READY)
TWO = model.Server("i-2", "10.0.0.2", 8000, MAINT)
LISTENER = model.Listener(80, model.Mode.HTTP, servers=(ONE, TWO))
STICKY = replace(LISTENER, stickiness=model.Stickiness("ab" * 16))


def has(*servers: model.Server, backend: str = "be-80") -> running.Running:
    found = {
        (backend, server.name): running.RunningServer(server.address, server.port, server.admin) for server in servers
    }
    return running.Running("tag", 1, found)


def wants(listener: model.Listener) -> model.Model:
    return model.Model("127.0.0.1", 60, (listener,))


def test_nothing_to_do() -> None:
    assert diff.membership(has(ONE, TWO), wants(LISTENER)) == ()
    assert diff.departed(has(ONE, TWO), wants(LISTENER)) == ()


def test_new_servers_take_traffic_last() -> None:
    assert diff.membership(has(), wants(STICKY)) == (
        diff.AddServer(STICKY, ONE),
        diff.AddServer(STICKY, TWO),
        diff.ComputeCookies("be-80"),
        diff.SetState(("be-80", "i-1"), READY),
    )


def test_a_moved_server_gets_its_cookie_anew() -> None:
    moved = replace(ONE, address="10.0.0.9")
    assert diff.membership(has(moved, TWO), wants(STICKY)) == (
        diff.SetAddress(("be-80", "i-1"), "10.0.0.1", 8000),
        diff.ComputeCookies("be-80"),
    )


def test_a_server_that_drained_is_taken_back() -> None:
    assert diff.membership(has(replace(ONE, admin=DRAIN), TWO), wants(LISTENER)) == (
        diff.SetState(("be-80", "i-1"), READY),
    )


def test_departed_servers_drain_but_sticky_ones_go_to_maintenance() -> None:
    actual, gone = has(ONE, TWO), (("be-80", "i-1"), ("be-80", "i-2"))
    empty = replace(LISTENER, servers=())
    assert diff.departed(actual, wants(empty)) == gone
    assert diff.farewell(actual, wants(empty), gone) == (diff.SetState(("be-80", "i-1"), DRAIN),)
    assert diff.farewell(actual, wants(replace(STICKY, servers=())), gone) == (diff.SetState(("be-80", "i-1"), MAINT),)


def test_removal_waits_for_sessions_until_the_deadline() -> None:
    key = ("be-80", "i-1")
    gone = (diff.SetState(key, MAINT), diff.DeleteServer(key))
    assert diff.removal(diff.Departure(key, 10.0, 0), now=1.0) == gone
    assert diff.removal(diff.Departure(key, 10.0, 2), now=9.9) == ()
    assert diff.removal(diff.Departure(key, 10.0, 2), now=10.0) == (diff.ShutdownSessions(key), *gone)


def test_only_the_tag_asks_for_a_reload() -> None:
    assert diff.needs_reload(has(), "other")
    assert not diff.needs_reload(has(), "tag")
