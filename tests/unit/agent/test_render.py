"""The configuration text: what it says, and what makes it another version."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from elbflow_agent.haproxy import model, place, render, safe

WHERE = place.Place(Path("/run/elbflow/i-1"))
LIMITS = place.Limits(1000, 60)
READY, MAINT = model.Admin.READY, model.Admin.MAINT
SERVERS = (model.Server("i-1", "10.0.0.1", 8000, READY), model.Server("i-2", "10.0.0.2", 8000, MAINT))
HTTP = model.Listener(80, model.Mode.HTTP, servers=SERVERS)


def rendered(*listeners: model.Listener, idle_timeout_s: int = 60) -> list[str]:
    text = render.render(model.Model("127.80.0.9", idle_timeout_s, listeners), WHERE, LIMITS)
    return [line.strip() for line in text.splitlines()]


def tag(*listeners: model.Listener, idle_timeout_s: int = 60) -> str:
    return render.tag(model.Model("127.80.0.9", idle_timeout_s, listeners), WHERE, LIMITS)


def test_an_http_listener() -> None:
    lines = rendered(HTTP)
    for expected in (
        f"description {tag(HTTP)}",
        "bind 127.80.0.9:80",
        "balance leastconn",
        "server i-1 10.0.0.1:8000",
        "server i-2 10.0.0.2:8000 disabled",
        'http-request add-header X-Forwarded-For "%[var(sess.elb_client)]'
        r'\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 80"',
        "option idle-close-on-response",
        "hard-stop-after 4060s",
        "maxconn 1000",
    ):
        assert expected in lines


def test_a_tcp_listener_has_no_http_rules() -> None:
    lines = rendered(model.Listener(81, model.Mode.TCP, tls_to_servers=True, proxy_protocol=True, servers=SERVERS))
    options = "ssl verify none ssl-min-ver TLSv1.0 ciphers DEFAULT:@SECLEVEL=0 send-proxy"
    assert f"server i-1 10.0.0.1:8000 {options}" in lines
    assert "balance roundrobin" in lines
    assert not [line for line in lines if "X-Forwarded" in line]


def test_timeouts_follow_the_idle_timeout() -> None:
    lines = rendered(HTTP, idle_timeout_s=4000)
    for name in ("client", "server", "tunnel"):
        assert lines.count(f"timeout {name} 4000s") == 2
    assert "timeout http-request 60s" in lines
    assert "timeout http-request 5s" in rendered(HTTP, idle_timeout_s=5)


def test_sticky_back_ends() -> None:
    session = rendered(replace(HTTP, stickiness=model.Stickiness("ab" * 16)))
    assert "cookie AWSELB insert indirect httponly dynamic" in session
    assert f"dynamic-cookie-key {'ab' * 16}" in session
    timed = rendered(replace(HTTP, stickiness=model.Stickiness("ab" * 16, 30)))
    assert "cookie AWSELB insert indirect httponly attr Max-Age=30 dynamic maxlife 30s" in timed


def test_only_servers_leave_the_tag_alone() -> None:
    assert tag(HTTP) == tag(replace(HTTP, servers=()))
    others = [
        tag(),
        tag(replace(HTTP, port=81)),
        tag(replace(HTTP, mode=model.Mode.TCP)),
        tag(replace(HTTP, tls_to_servers=True)),
        tag(replace(HTTP, proxy_protocol=True)),
        tag(replace(HTTP, stickiness=model.Stickiness("ab" * 16))),
        tag(HTTP, idle_timeout_s=61),
        render.tag(model.Model("127.80.0.8", 60, (HTTP,)), WHERE, LIMITS),
        render.tag(model.Model("127.80.0.9", 60, (HTTP,)), WHERE, place.Limits(2000, 60)),
    ]
    assert tag(HTTP) not in others
    assert len(set(others)) == len(others)


@pytest.mark.parametrize(
    "make",
    [
        lambda: model.Server("i-1 disabled", "10.0.0.1", 80),
        lambda: model.Server("i-1\nserver x", "10.0.0.1", 80),
        lambda: model.Server("", "10.0.0.1", 80),
        lambda: model.Server("i-1", "10.0.0.1:90 weight", 80),
        lambda: model.Server("i-1", "::1", 80),
        lambda: model.Server("i-1", "10.0.0.1", 0),
        lambda: model.Server("i-1", "10.0.0.1", 65536),
        lambda: model.Stickiness("AB\n"),
        lambda: model.Stickiness("ab" * 16, 0),
        lambda: model.Stickiness("ab" * 16, 2**31),
        lambda: model.Listener(80, model.Mode.HTTP, servers=SERVERS[::-1]),
        lambda: model.Listener(80, model.Mode.HTTP, servers=SERVERS[:1] * 2),
        lambda: model.Model("localhost"),
        lambda: model.Model("127.0.0.1", 0),
        lambda: model.Model("127.0.0.1", 60, (HTTP, HTTP)),
        lambda: place.Place(Path("/run/with space")),
        lambda: place.Place(Path('/run/quo"te')),
    ],
)
def test_what_cannot_be_written_safely_cannot_be_built(make: object) -> None:
    assert callable(make)
    with pytest.raises(safe.Unrepresentable):
        make()


def test_a_run_directory_too_long_for_sockets_is_said_so() -> None:
    with pytest.raises(place.PathTooLong, match="shorter run directory"):
        place.Place(Path("/" + "x" * 90))
