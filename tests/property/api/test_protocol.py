"""The protocol against botocore's own serializer and parser, for every operation and random values of its shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import hypothesis
import hypothesis.strategies as st
from tests.unit.api import wire

from elbflow_api import query

OPERATIONS = sorted(query.operations())
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TAG_TEXT = st.text("abcXYZ019.", min_size=1, max_size=20)


def scalars(shape: Any) -> st.SearchStrategy[Any]:
    match shape.type_name:
        case "boolean":
            return st.booleans()
        case "integer" | "long":
            return st.integers(shape.metadata.get("min", -(10**17)), shape.metadata.get("max", 10**17))
        case "timestamp":
            moments = st.datetimes(datetime(1980, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001
            return moments.map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC))
        case _:
            return TAG_TEXT if "pattern" in shape.metadata else TEXT


def values(shape: Any, *, empty: bool) -> st.SearchStrategy[Any]:
    """Valid values of a botocore shape; ``empty`` allows structures without members, which requests cannot carry."""
    if shape.type_name == "list":
        least = shape.metadata.get("min", 0)
        return st.lists(values(shape.member, empty=empty), min_size=least, max_size=max(least, 3))
    if shape.type_name != "structure":
        return scalars(shape)
    members = {name: values(member, empty=empty) for name, member in shape.members.items()}
    required = {name: members.pop(name) for name in shape.required_members}
    made = st.fixed_dictionaries(required, optional=members)
    return made if empty or required else made.filter(bool)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    name = draw(st.sampled_from(OPERATIONS))
    shape = wire.MODEL.operation_model(name).input_shape
    given = values(shape, empty=False) if shape.members else st.just({})
    if not shape.required_members:
        given = given | st.just({})
    return name, draw(given)


@st.composite
def answers(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    name = draw(st.sampled_from(OPERATIONS))
    return name, draw(values(wire.MODEL.operation_model(name).output_shape, empty=True))


def readable(value: Any) -> Any:
    """What XML can carry of a value."""
    return with_texts(value, lambda text: "".join(one if _in_xml(ord(one)) else "\ufffd" for one in text))


def heard(value: Any) -> Any:
    """What is made of a value before it is read: databases take no NUL."""
    return with_texts(value, lambda text: text.replace("\0", "\ufffd"))


def with_texts(value: Any, changed: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return changed(value)
    if isinstance(value, Mapping):
        return {name: with_texts(part, changed) for name, part in value.items()}
    if isinstance(value, Sequence):
        return [with_texts(part, changed) for part in value]
    return value


def _in_xml(code: int) -> bool:
    return code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000


@hypothesis.given(requests())
def test_requests_are_read_as_they_were_meant(request: tuple[str, dict[str, Any]]) -> None:
    name, given = request
    operation = query.find_operation(name)
    assert operation is not None
    read = query.parse(operation, query.read_pairs(wire.sent(name, given)))
    assert read._values == heard(given)


@hypothesis.given(answers())
def test_answers_are_read_as_they_were_meant(answer: tuple[str, dict[str, Any]]) -> None:
    name, given = answer
    operation = query.find_operation(name)
    assert operation is not None
    received = wire.received(name, query.render_result(operation, given, "id"))
    assert received.pop("ResponseMetadata")["RequestId"] == "id"
    assert received == readable(given)


@hypothesis.given(st.text(max_size=60), st.text(max_size=200))
def test_faults_are_read_as_they_were_meant(code: str, message: str) -> None:
    code = readable(code).strip() or "Code"
    body = query.render_fault(query.Fault(code, message), "id")
    error = wire.received("DescribeLoadBalancers", body, 400)["Error"]
    assert error["Code"] == code
    assert (error["Message"] or "") == readable(message)
