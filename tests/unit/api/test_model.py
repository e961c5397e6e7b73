"""The table of operations against the service's model."""

from __future__ import annotations

from elbflow_api import query
from elbflow_api.actions import ACTIONS


def test_all_operations_of_the_model_are_known_and_every_action_is_one_of_them() -> None:
    assert len(query.operations()) == 29
    assert ACTIONS.keys() <= query.operations().keys()


def test_names_are_case_sensitive() -> None:
    assert query.find_operation("describeloadbalancers") is None
