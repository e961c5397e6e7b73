"""From what a change of servers may begin without a look at HAProxy, and from what it may not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from elbflow_agent.haproxy import diff, model, proven, running

READY, MAINT = model.Admin.READY, model.Admin.MAINT
ONE, TWO = (model.Server(f"i-{number}", f"127.0.0.{number}", 80, READY) for number in (1, 2))
SERVED = model.Model(
    "127.0.0.9",
    listeners=(model.Listener(80, model.Mode.HTTP, servers=(ONE,)), model.Listener(81, model.Mode.TCP, servers=(ONE,))),
)
FOUND = proven.Proven(10, 11, "tag", SERVED)


def with_servers(*servers: model.Server) -> model.Model:
    return replace(SERVED, listeners=(SERVED.listeners[0], replace(SERVED.listeners[1], servers=servers)))


def test_it_tells_what_haproxy_would() -> None:
    assert FOUND.processes == running.Processes(10, 11)
    assert (FOUND.running.tag, FOUND.running.pid, sorted(FOUND.running.ports)) == ("tag", 11, [80, 81])
    assert diff.membership(FOUND.running, SERVED) == ()
    assert diff.departed(FOUND.running, SERVED) == ()


@pytest.mark.parametrize(
    ("wanted", "tag", "leads"),
    [
        (SERVED, "tag", False),
        (with_servers(ONE, TWO), "tag", True),
        (with_servers(), "tag", True),
        (with_servers(replace(ONE, admin=MAINT)), "tag", True),
        (with_servers(replace(ONE, address="127.0.0.3")), "tag", True),
        (with_servers(ONE, TWO), "another", False),
        (SERVED.without_ports(frozenset({81})), "tag", False),
    ],
)
def test_only_changes_of_servers_begin_from_it(wanted: model.Model, tag: str, leads: bool) -> None:
    assert FOUND.leads_to(wanted, tag) is leads
