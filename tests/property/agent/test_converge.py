"""Any state, any desired model: one pass reaches it, and only a structural difference asks for a reload."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.property.agent.simulated import SimulatedHaproxy, expected, structure
from tests.property.agent.strategies import memberships, models

from elbflow_agent.haproxy import compare, diff, model, place, preview, render

WHERE = place.Place(Path("/run/elbflow/vm"))
LIMITS = place.Limits(1000, 60)


def tag(wanted: model.Model) -> str:
    return render.tag(wanted, WHERE, LIMITS)


def converge(haproxy: SimulatedHaproxy, wanted: model.Model, now: float = 0.0) -> bool:
    """What the applier does, on the simulation; whether it reloaded."""
    reloaded = diff.needs_reload(haproxy.observe(), tag(wanted))
    if reloaded:
        haproxy.load(tag(wanted), wanted)
    actual = haproxy.observe()
    for change in diff.membership(actual, wanted):
        haproxy.carry_out(change)
    gone = diff.departed(actual, wanted)
    for change in diff.farewell(actual, wanted, gone):
        haproxy.carry_out(change)
    for key in gone:
        for change in diff.removal(diff.Departure(key, 10.0, haproxy.servers[key].sessions), now):
            haproxy.carry_out(change)
    return reloaded


@given(start=models(), wanted=models())
def test_one_pass_reaches_any_model(start: model.Model, wanted: model.Model) -> None:
    haproxy = SimulatedHaproxy()
    assert converge(haproxy, start)
    foretold = preview.preview(haproxy.observe(), start, wanted, tag(wanted), drain_s=0)
    assert bool(foretold.steps) == bool(compare.differences(haproxy.observe(), wanted, tag(wanted)))
    reloaded = converge(haproxy, wanted)
    assert bool(foretold.why) == reloaded
    assert compare.differences(haproxy.observe(), wanted, tag(wanted)) == ()
    assert haproxy.state() == expected(wanted)
    assert reloaded == (structure(start) != structure(wanted))
    assert not converge(haproxy, wanted)
    assert haproxy.state() == expected(wanted)


@given(data=st.data(), start=models())
def test_membership_never_reloads_whatever_sessions_there_are(data: st.DataObject, start: model.Model) -> None:
    haproxy = SimulatedHaproxy()
    converge(haproxy, start)
    for _ in range(3):
        wanted = data.draw(memberships(start))
        for one in haproxy.servers.values():
            one.sessions = data.draw(st.integers(0, 2))
        assert not converge(haproxy, wanted, now=0.0)
        state = haproxy.state()
        assert {key: state[key] for key in expected(wanted)} == expected(wanted)
        for key in state.keys() - expected(wanted).keys():
            assert haproxy.servers[key].sessions > 0
            assert haproxy.servers[key].admin is not model.Admin.READY
        assert not converge(haproxy, wanted, now=10.0)
        assert haproxy.state() == expected(wanted)


@given(start=models(), wanted=models())
def test_the_file_and_the_runtime_commands_agree(start: model.Model, wanted: model.Model) -> None:
    """A reload with the file written for a model changes nothing that the commands had reached."""
    haproxy, reloaded = SimulatedHaproxy(), SimulatedHaproxy()
    converge(haproxy, start)
    converge(haproxy, wanted)
    reloaded.load(tag(wanted), wanted)
    assert haproxy.state() == reloaded.state()
    cookies = {key: one.cookie for key, one in haproxy.servers.items()}
    assert cookies == {key: one.cookie for key, one in reloaded.servers.items()}
