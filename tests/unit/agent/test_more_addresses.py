"""Further addresses of listeners: in settings, in the text, and back from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydantic
import pytest

from elbflow_agent.haproxy import model, parse, place, render, safe
from elbflow_agent.settings import VmSettings

WHERE = place.Place(Path("/run/elbflow/i-1"))
LIMITS = place.Limits(1000, 60)
HTTP = model.Listener(80, model.Mode.HTTP)


def settings(**given: Any) -> VmSettings:
    return VmSettings(
        agent_run_dir=Path("/run/elbflow"),
        agent_redis_socket=Path("/run/redis.sock"),
        agent_haproxy="true",
        agent_instance_id="i-1",
        agent_address=given.pop("agent_address", "10.0.0.1"),
        **given,
    )


def test_a_setting_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELBFLOW_AGENT_MORE_ADDRESSES", "FD00:0::1, 10.0.0.2,")
    assert settings().agent_more_addresses == ("FD00:0::1", "10.0.0.2")
    monkeypatch.delenv("ELBFLOW_AGENT_MORE_ADDRESSES")
    assert settings().agent_more_addresses == ()


@pytest.mark.parametrize(
    "text",
    [
        "::",
        "0.0.0.0",
        "ff02::1",
        "fe80::1%eth0",
        "::ffff:10.0.0.1",
        "web",
        "fd00::1 ssl crt /etc/x",
        "10.0.0.1",
        "fd00::1,fd00::01",
    ],
)
def test_what_is_no_further_address(text: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="agent_more_addresses"):
        settings(agent_more_addresses=text)


def test_every_listener_is_on_all_of_them_and_turns_their_probes_away() -> None:
    wanted = model.Model("10.0.0.1", 60, (HTTP,), more_addresses=("fd00::1", "10.0.0.2"))
    lines = [line.strip() for line in render.render(wanted, WHERE, LIMITS).splitlines()]
    assert [line for line in lines if line.startswith("bind") and "unix" not in line] == [
        "bind 10.0.0.1:80",
        "bind [fd00::1]:80",
        "bind 10.0.0.2:80",
    ]
    assert "tcp-request connection reject if { src 10.0.0.1 fd00::1 10.0.0.2 }" in lines


@pytest.mark.parametrize("listeners", [(), (HTTP,)])
def test_the_text_says_them_also_without_listeners(listeners: tuple[model.Listener, ...]) -> None:
    wanted = model.Model("10.0.0.1", 60, listeners, more_addresses=("fd00::1",))
    assert parse.parse(render.render(wanted, WHERE, LIMITS), "10.0.0.1") == wanted
    without = model.Model("10.0.0.1", 60, listeners)
    assert render.tag(wanted, WHERE, LIMITS) != render.tag(without, WHERE, LIMITS)


def test_a_text_that_binds_another_address_is_none_of_ours() -> None:
    text = render.render(model.Model("10.0.0.1", 60, (HTTP,), more_addresses=("fd00::1",)), WHERE, LIMITS)
    with pytest.raises(parse.Unreadable):
        parse.parse(text.replace("[fd00::1]:80", "[fd00::2]:80"), "10.0.0.1")


def test_servers_stay_on_ipv4() -> None:
    with pytest.raises(safe.Unrepresentable):
        model.Server("i-1", "fd00::1", 80)
