"""Values for every shape of botocore's model: tame ones that fit, wild ones that often break a constraint."""

from __future__ import annotations

import functools
from typing import Any

from botocore import loaders, model
from hypothesis import strategies as st

DOMAINS = ("house", "shed")
WORKFLOW_IDS = ("w0", "w1")
VERSION = "1"
MEANT: dict[str, tuple[str, ...]] = {
    "DomainName": DOMAINS,
    "WorkflowId": WORKFLOW_IDS,
    "Name": ("sample", "sample", "sample", "other"),
    "Version": (VERSION, VERSION, VERSION, "2"),
    "VersionOptional": (VERSION, ""),
    "ActivityId": ("a", "b", "c", "d", "e"),
    "TimerId": ("s", "t"),
    "TaskToken": ("@task",),
    "PageToken": ("@page",),
    "WorkflowRunId": tuple(f"@run_{name}" for name in WORKFLOW_IDS),
    "WorkflowRunIdOptional": ("", *(f"@run_{name}" for name in WORKFLOW_IDS)),
    "Arn": tuple(f"arn:aws:swf:us-east-1:000000000000:/domain/{name}" for name in DOMAINS),
    "ResourceTagKey": ("k", "l", "K"),
    "TaskPriority": ("0", "-1", "2147483647", "7"),
    "DurationInSeconds": ("0", "1", "30", "31536000"),
    "DurationInSecondsOptional": ("", "0", "1", "30", "31536000", "NONE"),
    "DurationInDays": ("0", "1", "90", "NONE"),
}
"""What makes sense, by shape. What begins with ``@`` becomes what earlier answers said."""
ODD: dict[str, tuple[str, ...]] = {
    "ResourceTagKey": ("aws:k",),
    "TaskPriority": ("2147483648", "", "1.0", "+1"),
    "DurationInSeconds": ("31536001", "NONE", "-1", "1.5", "٣"),
    "DurationInSecondsOptional": ("31536001", "1e3"),
    "DurationInDays": ("91", ""),
}
# fmt: off
ODD_TEXTS = ("", " ", "arn", "a:b", "a/b", "a|b", "\x00", "\x7f", "\x85", "é", "\U0001f600", "a\u202eb", "\ufffe")
# fmt: on
USUAL = ("main", "main", "sample", "x")
INSTANTS = (0, 1.5, 1_700_000_000.123, 4_000_000_000)
ODD_INSTANTS = (*INSTANTS, -1, 1e18, -1e308, 1e308, 2**63, 10**30)
SIZES = (0, 1, 2, 100, 1000)
ODD_SIZES = (*SIZES, 1001, -1, 2**64, 5.0)


@functools.cache
def service() -> model.ServiceModel:
    return model.ServiceModel(loaders.Loader().load_service_model("swf", "service-2"), "swf")


@functools.cache
def inputs(operation: str, *, wild: bool) -> st.SearchStrategy[Any]:
    """Inputs of an operation."""
    return Values(wild).of(service().operation_model(operation).input_shape)


class Values:
    """Makes values of shapes; of ``wild`` ones about every tenth node is odd."""

    def __init__(self, wild: bool) -> None:
        self._wild = wild

    def of(self, shape: model.Shape, depth: int = 0) -> st.SearchStrategy[Any]:
        if isinstance(shape, model.StructureShape):
            return self._decision(shape, depth) if shape.name == "Decision" else self._structure(shape, depth)
        if isinstance(shape, model.ListShape):
            return st.lists(self.of(shape.member, depth + 1), max_size=6 if self._wild else 4)
        if isinstance(shape, model.StringShape):
            return self._text(shape)
        by_type: dict[str, st.SearchStrategy[Any]] = {
            "integer": st.sampled_from(ODD_SIZES if self._wild else SIZES),
            "boolean": st.booleans(),
            "timestamp": st.sampled_from(ODD_INSTANTS if self._wild else INSTANTS),
        }
        return by_type[shape.type_name]

    def _text(self, shape: model.StringShape) -> st.SearchStrategy[str]:
        meant = st.sampled_from(tuple(shape.enum) or MEANT.get(shape.name, USUAL))
        if not self._wild:
            return meant
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 100)
        lengths = [length for length in (low, low - 1, high, high + 1) if 0 <= length <= 40_000]
        odd = [
            st.sampled_from(ODD.get(shape.name, ODD_TEXTS)),
            st.sampled_from(ODD_TEXTS),
            st.sampled_from([("ab" * length)[:length] for length in lengths]),
            st.text(max_size=8),
        ]
        return st.integers(0, 39).flatmap(lambda n: odd[n - 36] if n >= 36 else meant)

    def _structure(self, shape: model.StructureShape, depth: int) -> st.SearchStrategy[dict[str, Any]]:
        required = sorted(shape.required_members)

        def some(members: frozenset[str]) -> st.SearchStrategy[dict[str, Any]]:
            return st.fixed_dictionaries({name: self.of(shape.members[name], depth + 1) for name in sorted(members)})

        if not shape.members:
            return st.just({})
        gone = st.integers(0, 19).flatmap(
            lambda n: st.sampled_from(required) if self._wild and required and n == 19 else st.just("")
        )
        optional = st.frozensets(st.sampled_from(sorted(shape.members)), max_size=3)
        return st.builds(lambda chosen, one: (chosen | set(required)) - {one}, optional, gone).flatmap(some)

    def _decision(self, shape: model.StructureShape, depth: int) -> st.SearchStrategy[dict[str, Any]]:
        kinds = sorted(name.removesuffix("DecisionAttributes") for name in shape.members if name != "decisionType")

        def of_kind(kind: str) -> st.SearchStrategy[dict[str, Any]]:
            block = f"{kind}DecisionAttributes"
            return st.fixed_dictionaries(
                {"decisionType": st.just(kind[0].upper() + kind[1:]), block: self.of(shape.members[block], depth + 1)}
            )

        return st.sampled_from(kinds).flatmap(of_kind)
