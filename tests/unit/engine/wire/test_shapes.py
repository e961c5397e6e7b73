from __future__ import annotations

import re
from typing import Any

import pytest

from elbflow_engine import core
from elbflow_engine.wire import Inputs, SerializationError, ValidationError, shapes


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return Inputs()


def refused(inputs: Inputs, operation: str, body: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        inputs.read(operation, body)
    return str(caught.value)


def test_all_39_operations_are_known(inputs: Inputs) -> None:
    assert len(inputs.operations) == 39
    assert {"PollForDecisionTask", "UntagResource"} <= inputs.operations


def test_the_recorded_message_of_the_service(inputs: Inputs) -> None:
    assert refused(inputs, "CountPendingActivityTasks", {"domain": ""}) == (
        "2 validation errors detected: Value '' at 'domain' failed to satisfy constraint: Member must have length "
        "greater than or equal to 1; Value null at 'taskList' failed to satisfy constraint: Member must not be null"
    )


def test_one_violation_is_singular(inputs: Inputs) -> None:
    assert refused(inputs, "DescribeDomain", {"name": "x" * 257}) == (
        f"1 validation error detected: Value '{'x' * 257}' at 'name' failed to satisfy constraint: "
        "Member must have length less than or equal to 256"
    )


@pytest.mark.parametrize(
    ("size", "phrase"),
    [
        (1001, "Member must have value less than or equal to 1000"),
        (-1, "Member must have value greater than or equal to 0"),
    ],
)
def test_ranges(inputs: Inputs, size: int, phrase: str) -> None:
    body: dict[str, core.Json] = {"registrationStatus": "REGISTERED", "maximumPageSize": size}
    assert refused(inputs, "ListDomains", body) == (
        f"1 validation error detected: Value '{size}' at 'maximumPageSize' failed to satisfy constraint: {phrase}"
    )
    assert inputs.read("ListDomains", body | {"maximumPageSize": 1000})["maximumPageSize"] == 1000


def test_enums_name_their_values(inputs: Inputs) -> None:
    assert refused(inputs, "ListDomains", {"registrationStatus": "registered"}) == (
        "1 validation error detected: Value 'registered' at 'registrationStatus' failed to satisfy constraint: "
        "Member must satisfy enum value set: [REGISTERED, DEPRECATED]"
    )


def test_list_elements_are_counted_from_one(inputs: Inputs) -> None:
    decisions = [
        {"decisionType": "StartTimer", "startTimerDecisionAttributes": {"timerId": "t", "startToFireTimeout": "1"}},
        {"decisionType": "StartTimer", "startTimerDecisionAttributes": {"timerId": "", "startToFireTimeout": "1"}},
        {"decisionType": "Nap"},
    ]
    message = refused(inputs, "RespondDecisionTaskCompleted", {"taskToken": "t", "decisions": decisions})
    assert message.startswith(
        "2 validation errors detected: Value '' at 'decisions.2.member.startTimerDecisionAttributes.timerId' failed "
        "to satisfy constraint: Member must have length greater than or equal to 1; Value 'Nap' at "
        "'decisions.3.member.decisionType' failed to satisfy constraint: Member must satisfy enum value set: "
        "[CompleteWorkflowExecution, StartTimer, RequestCancelExternalWorkflowExecution, "
    )
    assert message.endswith("StartChildWorkflowExecution, CancelWorkflowExecution]")


def test_a_decision_needs_its_block_when_the_block_has_required_members(inputs: Inputs) -> None:
    def decide(kind: str) -> core.Object:
        return {"taskToken": "t", "decisions": [{"decisionType": kind}]}

    assert refused(inputs, "RespondDecisionTaskCompleted", decide("ScheduleActivityTask")) == (
        "1 validation error detected: Value null at 'decisions.1.member.scheduleActivityTaskDecisionAttributes' "
        "failed to satisfy constraint: Member must not be null"
    )
    for closing in (
        "CompleteWorkflowExecution",
        "FailWorkflowExecution",
        "CancelWorkflowExecution",
        "ContinueAsNewWorkflowExecution",
    ):
        assert inputs.read("RespondDecisionTaskCompleted", decide(closing))["taskToken"] == "t"


def test_blocks_of_other_types_are_checked_too(inputs: Inputs) -> None:
    decision = {"decisionType": "CompleteWorkflowExecution", "recordMarkerDecisionAttributes": {}}
    message = refused(inputs, "RespondDecisionTaskCompleted", {"taskToken": "t", "decisions": [decision]})
    assert "Value null at 'decisions.1.member.recordMarkerDecisionAttributes.markerName'" in message


def test_lists_have_a_length(inputs: Inputs) -> None:
    body = {
        "domain": "d",
        "workflowId": "w",
        "workflowType": {"name": "n", "version": "1"},
        "tagList": list("abcdef"),
    }
    assert refused(inputs, "StartWorkflowExecution", body) == (
        "1 validation error detected: Value '[a, b, c, d, e, f]' at 'tagList' failed to satisfy constraint: "
        "Member must have length less than or equal to 5"
    )


def test_lengths_count_code_points(inputs: Inputs) -> None:
    body = {"taskToken": "t", "result": "\U0001f600" * 32768}
    assert inputs.read("RespondActivityTaskCompleted", body) == body
    assert "length less than or equal to 32768" in refused(
        inputs, "RespondActivityTaskCompleted", {"taskToken": "t", "result": "\U0001f600" * 32769}
    )


def test_null_and_unknown_members_disappear(inputs: Inputs) -> None:
    body: core.Object = {"name": "d", "surprise": {"a": [1]}}
    assert inputs.read("DescribeDomain", body) == {"name": "d"}
    body = {"taskToken": "t", "details": None, "reason": None}
    assert inputs.read("RespondActivityTaskFailed", body) == {"taskToken": "t"}


def test_empty_strings_that_mean_absent_disappear(inputs: Inputs) -> None:
    body = {"domain": "d", "workflowId": "w", "runId": "", "signalName": "s", "input": ""}
    assert inputs.read("SignalWorkflowExecution", body) == {
        "domain": "d",
        "workflowId": "w",
        "signalName": "s",
        "input": "",
    }


@pytest.mark.parametrize(
    ("operation", "body", "message"),
    [
        ("DescribeDomain", {"name": 5}, "NUMBER_VALUE can not be converted to a String"),
        ("DescribeDomain", {"name": True}, "TRUE_VALUE can not be converted to a String"),
        ("DescribeDomain", {"name": {}}, "Start of structure or map found where not expected"),
        ("DescribeDomain", {"name": []}, "Start of list found where not expected"),
        ("ListDomains", {"registrationStatus": "REGISTERED", "maximumPageSize": "5"}, "STRING_VALUE .* Integer"),
        ("ListDomains", {"registrationStatus": "REGISTERED", "maximumPageSize": 1.5}, "NUMBER_VALUE .* Integer"),
        ("ListDomains", {"registrationStatus": "REGISTERED", "maximumPageSize": True}, "TRUE_VALUE .* Integer"),
        ("ListDomains", {"registrationStatus": "REGISTERED", "reverseOrder": "true"}, "STRING_VALUE .* Boolean"),
        ("CountPendingActivityTasks", {"domain": "d", "taskList": "l"}, "STRING_VALUE .* structure"),
        ("RespondDecisionTaskCompleted", {"taskToken": "t", "decisions": {}}, "structure or map .* list"),
        ("ListOpenWorkflowExecutions", {"domain": "d", "startTimeFilter": {"oldestDate": "now"}}, "STRING_VALUE"),
    ],
)
def test_wrong_json_types(inputs: Inputs, operation: str, body: Any, message: str) -> None:
    with pytest.raises(SerializationError) as caught:
        inputs.read(operation, body)
    assert re.search(message, str(caught.value))


def test_wrong_types_win_over_violations(inputs: Inputs) -> None:
    with pytest.raises(SerializationError):
        inputs.read("CountPendingActivityTasks", {"domain": "", "taskList": {"name": 1}})


def test_nulls_in_lists_are_violations(inputs: Inputs) -> None:
    message = refused(inputs, "UntagResource", {"resourceArn": "a", "tagKeys": ["k", None]})
    assert message == (
        "1 validation error detected: Value null at 'tagKeys.2.member' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_a_flood_of_violations_is_cut(inputs: Inputs) -> None:
    message = refused(inputs, "RespondDecisionTaskCompleted", {"taskToken": "t", "decisions": [{}] * 100_000})
    assert message.startswith(f"{shapes.MOST_REPORTED} validation errors detected: ")
