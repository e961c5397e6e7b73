"""Whatever attributes are given in whatever order: they are shown as given, and the others stay."""

from __future__ import annotations

from typing import Any

import hypothesis
import hypothesis.strategies as st

from elbflow.contract import document
from elbflow_api import query
from elbflow_api.rules import attributes

ON = st.fixed_dictionaries(
    {
        "Enabled": st.just(True),
        "S3BucketName": st.sampled_from(["logs", "more-logs"]),
        "EmitInterval": st.sampled_from([5, 60]),
        "S3BucketPrefix": st.text("ab/", max_size=5),
    }
)
MODES = st.sampled_from([mode.value for mode in document.DesyncMitigation])
GIVEN: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "CrossZoneLoadBalancing": st.fixed_dictionaries({"Enabled": st.booleans()}),
        "ConnectionSettings": st.fixed_dictionaries({"IdleTimeout": st.integers(1, 4000)}),
        "ConnectionDraining": st.fixed_dictionaries({"Enabled": st.booleans(), "Timeout": st.integers(1, 3600)}),
        "AccessLog": st.just({"Enabled": False}) | ON,
        "AdditionalAttributes": MODES.map(lambda mode: [{"Key": attributes.DESYNC_MODE, "Value": mode}]),
    },
)


@hypothesis.given(changes=st.lists(GIVEN, max_size=5))
def test_what_was_given_last_is_shown(changes: list[dict[str, Any]]) -> None:
    present = document.Attributes()
    expected = dict(attributes.shown(present))
    for change in changes:
        given = query.Params(change)
        attributes.check(given, any_interval=False)
        present = attributes.merged(present, given)
        assert attributes.shown(present, given) == change
        expected |= change
    assert attributes.shown(present) == expected
