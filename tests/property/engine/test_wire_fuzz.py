"""Whatever comes over the wire: no 500, no stall, no damage (spec/swf-semantics 1)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.property.engine import wire_neighbour, wire_range, wire_requests, wire_shooter

SHORT_S = 6.0


@pytest.fixture(scope="module")
def target() -> Iterator[dict[str, Any]]:
    with wire_range.engine() as url:
        shooter, neighbour = wire_shooter.Shooter(url), wire_neighbour.Neighbour(url)
        neighbour.start()
        swf = wire_range.client(url, "000000000000")
        try:
            yield {"shooter": shooter, "swf": swf, "until": time.monotonic() + SHORT_S}
        finally:
            shooter.close()
            neighbour.finish()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(shots=st.lists(wire_requests.shots(), min_size=8, max_size=20))
def test_any_request_is_answered_in_the_protocol(target: dict[str, Any], shots: list[wire_requests.Shot]) -> None:
    if time.monotonic() > target["until"]:
        return
    wire_range.furnish(target["swf"], target["shooter"])
    for shot in shots:
        target["shooter"].shoot(shot)


def test_the_shots_hit_and_left_the_histories_whole(target: dict[str, Any]) -> None:
    shooter = target["shooter"]
    assert len(shooter.accepted) > 1, shooter.accepted
    assert {"ValidationException", "UnknownResourceFault"} & set(shooter.codes), shooter.codes
    assert wire_range.check_histories(target["swf"]) > 0
