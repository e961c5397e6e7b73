"""Every event type and every cause of botocore's model is produced by some scenario, or listed with its reason."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import loaders, model
from tests.unit.engine.core import scenarios

from elbflow_engine import histories

_NO_LAMBDA = "There is no Lambda service here: the decision always fails, so nothing that follows it happens (7.13)"
AWS_ONLY = {
    **{f"LambdaFunction{what}": _NO_LAMBDA for what in ("Scheduled", "Started", "Completed", "Failed", "TimedOut")},
    "StartLambdaFunctionFailed": _NO_LAMBDA,
    "LambdaFunctionTimedOut.timeoutType=START_TO_CLOSE": _NO_LAMBDA,
    "StartLambdaFunctionFailed.cause=ASSUME_ROLE_FAILED": _NO_LAMBDA,
    "ScheduleLambdaFunctionFailed.cause=ID_ALREADY_IN_USE": _NO_LAMBDA,
    "ScheduleLambdaFunctionFailed.cause=OPEN_LAMBDA_FUNCTIONS_LIMIT_EXCEEDED": _NO_LAMBDA,
    "ScheduleLambdaFunctionFailed.cause=LAMBDA_FUNCTION_CREATION_RATE_EXCEEDED": _NO_LAMBDA,
}


@pytest.fixture(scope="module")
def event_shape() -> model.StructureShape:
    service = model.ServiceModel(loaders.Loader().load_service_model("swf", "service-2"), "swf")
    shape = service.shape_for("HistoryEvent")
    assert isinstance(shape, model.StructureShape)
    return shape


@pytest.fixture(scope="module")
def produced() -> list[dict[str, Any]]:
    return [event for live in scenarios.SCENARIOS for event in scenarios.events_of(live())]


def known_words(shape: model.StructureShape) -> set[str]:
    """Event types, and ``EventType.member=VALUE`` for every member that is an enumeration."""
    words = set(shape.members["eventType"].enum)
    for name, block in shape.members.items():
        if isinstance(block, model.StructureShape):
            event_type = name[0].upper() + name.removesuffix("EventAttributes")[1:]
            words |= {
                f"{event_type}.{member}={value}"
                for member, inner in block.members.items()
                if isinstance(inner, model.StringShape)
                for value in inner.enum
            }
    return words


def said(event: dict[str, Any]) -> set[str]:
    kind = event["eventType"]
    return {kind} | {f"{kind}.{member}={value}" for member, value in scenarios.attributes(event).items()}


def test_everything_happens(event_shape: model.StructureShape, produced: list[dict[str, Any]]) -> None:
    happened = set().union(*map(said, produced))
    known = known_words(event_shape)
    assert len(known) > 130
    assert known - happened == set(AWS_ONLY)


def test_events_are_those_of_the_model(event_shape: model.StructureShape, produced: list[dict[str, Any]]) -> None:
    """No unknown member, no missing required one, no empty optional one, and exactly one attribute block."""
    for event in produced:
        kind = event["eventType"]
        block_name = f"{kind[0].lower()}{kind[1:]}EventAttributes"
        assert set(event) == {"eventId", "eventTimestamp", "eventType", block_name}
        shape = event_shape.members[block_name]
        assert isinstance(shape, model.StructureShape)
        block = event[block_name]
        assert set(block) <= set(shape.members), kind
        assert set(shape.required_members) <= set(block), kind
        assert None not in block.values(), kind


@pytest.mark.parametrize("live", scenarios.SCENARIOS, ids=lambda live: live.__name__)
def test_every_scenario_keeps_the_rules_of_histories(live: scenarios.Scenario) -> None:
    bench = live()
    execution_id = 1
    while events := bench.journal.history(execution_id):
        histories.check(histories.parse(events))
        execution_id += 1
    assert execution_id > 1
