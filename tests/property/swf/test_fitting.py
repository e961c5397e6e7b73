"""The quick look at members never passes what botocore's validator would refuse."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore import model as shapes
from botocore.loaders import Loader
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from elbflow.swf.fast import fitting

MODEL = shapes.ServiceModel(Loader().load_service_model("swf", "service-2"), "swf")
OPERATIONS = {name: MODEL.operation_model(name).input_shape for name in MODEL.operation_names}
LOOKS = {name: fitting.look(shape) for name, shape in OPERATIONS.items()}
TIME = datetime(2020, 1, 1, tzinfo=UTC)
ODD = st.sampled_from([None, "", "x", 0, -1, 7, True, 1.5, b"x", [], {}, (), ["x"], {"k": "v"}, TIME])


def good(shape: shapes.Shape) -> st.SearchStrategy[Any]:
    """Values that fit, with and without members that need not be there."""
    if isinstance(shape, shapes.StructureShape):
        required = shape.metadata.get("required", ())
        members = {name: good(member) for name, member in shape.members.items()}
        return st.fixed_dictionaries(
            {name: members[name] for name in required},
            optional={name: made for name, made in members.items() if name not in required},
        )
    if isinstance(shape, shapes.ListShape):
        return st.lists(good(shape.member), min_size=shape.metadata.get("min", 0), max_size=2)
    if shape.type_name == "string":
        return st.text("ab", min_size=shape.metadata.get("min", 0), max_size=3)
    return {"integer": st.integers(1, 9), "long": st.integers(1, 9), "boolean": st.booleans()}.get(
        shape.type_name, st.just(TIME)
    )


def spoiled(value: Any, data: st.DataObject) -> Any:
    """One place of ``value`` replaced by something else, taken away, or something added."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(value)))
        return {**value, name: spoiled(value[name], data)}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        return [spoiled(value[0], data), *value[1:]]
    if isinstance(value, dict) and data.draw(st.booleans()):
        taken = data.draw(st.sampled_from([*sorted(value), "unknown"]))
        return {name: each for name, each in value.items() if name != taken} if taken in value else {**value, taken: 1}
    return data.draw(ODD)


@given(st.sampled_from(sorted(OPERATIONS)), st.data())
def test_what_passes_the_look_passes_botocore(name: str, data: st.DataObject) -> None:
    shape = OPERATIONS[name]
    value = data.draw(good(shape))
    assert not ParamValidator().validate(value, shape).has_errors()
    assert LOOKS[name](value) != (repr(TIME) in repr(value))
    value = spoiled(value, data)
    if ParamValidator().validate(value, shape).has_errors():
        assert not LOOKS[name](value)


@pytest.mark.parametrize(
    ("name", "members"),
    [
        (
            "RespondDecisionTaskCompleted",
            {"taskToken": "t", "decisions": [{"decisionType": "CompleteWorkflowExecution"}]},
        ),
        ("StartWorkflowExecution", {"domain": "d", "workflowId": "w", "workflowType": {"name": "n", "version": "1"}}),
        ("RespondActivityTaskCompleted", {"taskToken": "t", "result": ""}),
        ("RecordActivityTaskHeartbeat", {"taskToken": "t"}),
    ],
)
def test_the_calls_that_are_made_all_the_time_need_no_closer_look(name: str, members: dict[str, Any]) -> None:
    assert LOOKS[name](members)
