"""The public names of flow."""

from __future__ import annotations

import types

from elbflow import flow


def test_every_public_name_exists_and_every_name_is_listed() -> None:
    assert sorted(flow.__all__) == flow.__all__
    assert flow.workflow.__name__ == "workflow"  # the first of them brings all that workflows use
    defined = {
        name
        for name, value in vars(flow).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert defined - {"TYPE_CHECKING", "annotations"} == set(flow.__all__)


def test_public_names_are_documented() -> None:
    for name in flow.__all__:
        member = getattr(flow, name)
        assert (type(member) if name == "logger" else member).__doc__, name
