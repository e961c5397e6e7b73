"""The text of a configuration says the whole model, and HAProxy takes whatever a document leads to (REQ-1.12, F93)."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from tests.property.agent.strategies import hostile_documents, whole_models

from elbflow.contract import document
from elbflow_agent.haproxy import issuing, model, nobody, parse, place, plan, render, tls

LIMITS = place.Limits(1000, 60)


@given(wanted=whole_models())
def test_nothing_is_lost_in_the_text(wanted: model.Model) -> None:
    where = place.Place(Path("/run/elbflow/vm"))
    text = render.render(wanted, where, LIMITS)
    found = parse.parse(text, wanted.address)
    assert found == wanted
    assert render.render(found, where, LIMITS) == text


@given(one=whole_models(), other=whole_models())
def test_different_models_have_different_texts(one: model.Model, other: model.Model) -> None:
    where = place.Place(Path("/run/elbflow/vm"))
    assert (render.render(one, where, LIMITS) == render.render(other, where, LIMITS)) == (one == other)


@pytest.fixture(scope="module")
def where() -> Iterator[place.Place]:
    directory = Path(tempfile.mkdtemp(prefix="elb", dir="/tmp"))
    there = place.Place(directory / "vm", directory / "vm" / "keys")
    there.prepare()
    there.key_directory.mkdir()
    there.identity.write_bytes(issuing.identity())
    there.routes.write_text("")
    yield there
    shutil.rmtree(directory)


def accepted(wanted: model.Model, there: place.Place) -> str:
    """What ``haproxy -c`` has against it; nothing if it has not."""
    for listener in wanted.listeners:
        there.key_file(listener.port).write_bytes(there.identity.read_bytes())
        there.trust_file(listener.port).write_text(nobody.CERTIFICATE)
    there.candidate.write_text(render.render(wanted, there, LIMITS))
    command = ["haproxy", "-c", "-q", "-f", str(there.candidate)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr + str(done.returncode)


def merged(models: list[model.Model]) -> Iterator[model.Model]:
    """Listeners of many models in few, on ports of their own: one run of HAProxy judges them all."""
    for mode in model.Desync:
        found = [each for one in models if one.desync is mode for each in one.listeners]
        listeners = tuple(dataclasses.replace(each, port=10_000 + number) for number, each in enumerate(found))
        yield model.Model("127.0.0.1", 60, listeners, desync=mode, more_addresses=("::1",))


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")
def test_haproxy_takes_what_a_plan_accepts(where: place.Place) -> None:
    planned: list[model.Model] = []

    @settings(max_examples=60, deadline=None, database=None, phases=[Phase.generate])
    @given(wanted=hostile_documents(), whole=whole_models())
    def collect(wanted: document.LoadBalancerDocument, whole: model.Model) -> None:
        planned.append(plan.plan(wanted, "127.0.0.1", lambda _: True, _certificate).model)
        planned.append(whole)

    collect()
    judged = list(merged(planned))
    assert sum(len(each.listeners) for each in judged) > 30
    for together in judged:
        assert accepted(together, where) == ""


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")
@pytest.mark.parametrize("name", ["SES.ID", "a+b", "__Host-x", "connect.sid", "-", "." * 255, "x.+.-_"])
def test_any_name_of_an_application_cookie(name: str, where: place.Place) -> None:
    listener = model.Listener(80, model.Mode.HTTP, stickiness=model.AppStickiness("ab" * 16, name))
    wanted = model.Model("127.0.0.1", listeners=(listener,))
    assert accepted(dataclasses.replace(wanted, listeners=(dataclasses.replace(listener, port=10_000),)), where) == ""
    assert parse.parse(render.render(wanted, where, LIMITS), "127.0.0.1") == wanted


def _certificate(arn: str, port: int) -> tls.Usable:
    return tls.Usable(model.Certificate("ab" * 32, "AB" * 20))
