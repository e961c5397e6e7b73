from __future__ import annotations

import configparser
from pathlib import Path

from elbflow_standalone import layout, programs


def _layout(tmp_path: Path) -> layout.Layout:
    return layout.Layout(tmp_path, 18_700)


def test_configuration_holds_every_program_in_one_group(tmp_path: Path) -> None:
    parsed = configparser.ConfigParser()
    parsed.read_string(programs.render(_layout(tmp_path)))
    named = [section.removeprefix("program:") for section in parsed.sections() if section.startswith("program:")]
    assert named == ["redis", "engine", "api", "decider", "activities", "agent"]
    assert parsed["group:elbflow"]["programs"].split(",") == named


def test_haproxy_may_outlive_its_agent(tmp_path: Path) -> None:
    parsed = configparser.ConfigParser()
    parsed.read_string(programs.render(_layout(tmp_path)))
    assert parsed["program:agent"]["killasgroup"] == "false"
    assert parsed["program:agent"]["stopasgroup"] == "false"


def test_percent_signs_in_paths_survive_the_configuration(tmp_path: Path) -> None:
    odd = tmp_path / "100%s"
    parsed = configparser.ConfigParser()
    parsed.read_string(programs.render(_layout(odd)))
    assert parsed["program:engine"]["stdout_logfile"] == str(odd / "logs" / "engine.log")


def test_ports_of_a_stack_lie_in_its_block(tmp_path: Path) -> None:
    where = _layout(tmp_path)
    endpoints = (where.elb_port, where.swf_port, where.iam_port, where.sts_port)
    ports = {*endpoints, *(where.admin_port(service) for service in layout.SERVICES)}
    assert len(ports) == 4 + len(layout.SERVICES)
    assert all(where.base_port <= port < where.base_port + layout.PORTS_USED for port in ports)


def test_neighbouring_stacks_use_different_networks(tmp_path: Path) -> None:
    networks = {layout.Layout(tmp_path, 8700 + number * layout.PORTS_USED).network for number in range(100)}
    assert len(networks) == 100


def test_run_directory_stays_short_enough_for_unix_sockets(tmp_path: Path) -> None:
    deep = layout.Layout(tmp_path / ("x" * 100), 8700)
    assert len(str(deep.run_dir)) <= 50
    assert layout.Layout(Path("/srv/elbflow"), 8700).run_dir == Path("/srv/elbflow/run")
