"""Every fault that botocore's model names for an operation, provoked by boto3 and caught by its class (13.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore import loaders, model, xform_name
from tests.conformance.engine import served
from tests.conformance.engine.served import ACTIVITY_DEFAULTS, DOMAIN, LIST, TYPE, WORKFLOW_DEFAULTS

from elbflow import clock, service
from elbflow_engine import core

SERVICE = model.ServiceModel(loaders.Loader().load_service_model("swf", "service-2"), "swf")
MODELLED = {
    (operation, shape.name)
    for operation in SERVICE.operation_names
    for shape in SERVICE.operation_model(operation).error_shapes
}
_TAGS = "The model lists it for all tag operations; only the count of tags is limited, with TooManyTagsFault (6.1: 6)"
AWS_ONLY = {
    ("TagResource", "LimitExceededFault"): _TAGS,
    ("UntagResource", "LimitExceededFault"): _TAGS,
    ("ListTagsForResource", "LimitExceededFault"): _TAGS,
}
UR, TYPE_DEPRECATED, LIMIT = "UnknownResourceFault", "TypeDeprecatedFault", "LimitExceededFault"
EXISTS, NOT_DEPRECATED, TAGS = "TypeAlreadyExistsFault", "TypeNotDeprecatedFault", "TooManyTagsFault"

RUN = {"workflowId": "nobody", "runId": "none"}
SINCE = {"startTimeFilter": {"oldestDate": 0}}
ARN = "arn:aws:swf:us-east-1:111122223333:/domain/"
REGISTERED = {"registrationStatus": "REGISTERED"}
MANY_TAGS = [{"key": f"k{number}"} for number in range(51)]
NONE = {"domain": "none"}
HOUSE = {"domain": DOMAIN}

# Operation, fault, arguments. The order of the checks decides which one of several is met, so each has one reason.
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("RegisterDomain", "DomainAlreadyExistsFault", {"name": DOMAIN, "workflowExecutionRetentionPeriodInDays": "1"}),
    ("RegisterDomain", LIMIT, {"name": "third", "workflowExecutionRetentionPeriodInDays": "1"}),
    ("DescribeDomain", UR, {"name": "none"}),
    ("DeprecateDomain", UR, {"name": "none"}),
    ("DeprecateDomain", "DomainDeprecatedFault", {"name": "old"}),
    ("UndeprecateDomain", UR, {"name": "none"}),
    ("UndeprecateDomain", "DomainAlreadyExistsFault", {"name": DOMAIN}),
    ("TagResource", UR, {"resourceArn": f"{ARN}none", "tags": [{"key": "k"}]}),
    ("TagResource", TAGS, {"resourceArn": f"{ARN}{DOMAIN}", "tags": MANY_TAGS}),
    ("UntagResource", UR, {"resourceArn": f"{ARN}none", "tagKeys": ["k"]}),
    ("ListTagsForResource", UR, {"resourceArn": f"{ARN}none"}),
    ("RegisterWorkflowType", EXISTS, HOUSE | TYPE),
    ("RegisterWorkflowType", LIMIT, HOUSE | {"name": "another", "version": "1"}),
    ("RegisterWorkflowType", UR, NONE | TYPE),
    ("RegisterActivityType", EXISTS, HOUSE | TYPE),
    ("RegisterActivityType", LIMIT, HOUSE | {"name": "another", "version": "1"}),
    ("RegisterActivityType", UR, NONE | TYPE),
    *[
        (f"{verb}{kind}Type", fault, HOUSE | {f"{kind.lower()}Type": {"name": name, "version": "1"}})
        for kind in ("Workflow", "Activity")
        for verb, fault, name in (
            ("Describe", UR, "none"),
            ("Deprecate", UR, "none"),
            ("Deprecate", TYPE_DEPRECATED, "old"),
            ("Undeprecate", UR, "none"),
            ("Undeprecate", EXISTS, "greet"),
            ("Delete", UR, "none"),
            ("Delete", NOT_DEPRECATED, "greet"),
        )
    ],
    ("ListWorkflowTypes", UR, NONE | REGISTERED),
    ("ListActivityTypes", UR, NONE | REGISTERED),
    ("StartWorkflowExecution", UR, HOUSE | {"workflowId": "w", "workflowType": {"name": "none", "version": "1"}}),
    (
        "StartWorkflowExecution",
        TYPE_DEPRECATED,
        HOUSE | {"workflowId": "w", "workflowType": {"name": "old", "version": "1"}},
    ),
    (
        "StartWorkflowExecution",
        "DefaultUndefinedFault",
        HOUSE | {"workflowId": "w", "workflowType": {"name": "bare", "version": "1"}},
    ),
    (
        "StartWorkflowExecution",
        "WorkflowExecutionAlreadyStartedFault",
        HOUSE | {"workflowId": "open", "workflowType": TYPE},
    ),
    ("StartWorkflowExecution", LIMIT, HOUSE | {"workflowId": "w", "workflowType": TYPE}),
    ("SignalWorkflowExecution", UR, HOUSE | {"workflowId": "nobody", "signalName": "s"}),
    ("RequestCancelWorkflowExecution", UR, HOUSE | {"workflowId": "nobody"}),
    ("TerminateWorkflowExecution", UR, HOUSE | {"workflowId": "nobody"}),
    ("DescribeWorkflowExecution", UR, HOUSE | {"execution": RUN}),
    ("GetWorkflowExecutionHistory", UR, HOUSE | {"execution": RUN}),
    ("ListOpenWorkflowExecutions", UR, NONE | SINCE),
    ("ListClosedWorkflowExecutions", UR, NONE | SINCE),
    ("CountOpenWorkflowExecutions", UR, NONE | SINCE),
    ("CountClosedWorkflowExecutions", UR, NONE | SINCE),
    ("CountPendingActivityTasks", UR, NONE | {"taskList": LIST}),
    ("CountPendingDecisionTasks", UR, NONE | {"taskList": LIST}),
    ("PollForDecisionTask", UR, NONE | {"taskList": LIST}),
    ("PollForDecisionTask", LIMIT, HOUSE | {"taskList": {"name": "full"}}),
    ("PollForActivityTask", UR, NONE | {"taskList": LIST}),
    ("PollForActivityTask", LIMIT, HOUSE | {"taskList": {"name": "full"}}),
    ("RespondDecisionTaskCompleted", UR, {"taskToken": "decision"}),
    ("RespondActivityTaskCompleted", UR, {"taskToken": "activity"}),
    ("RespondActivityTaskFailed", UR, {"taskToken": "activity"}),
    ("RespondActivityTaskCanceled", UR, {"taskToken": "activity"}),
    ("RecordActivityTaskHeartbeat", UR, {"taskToken": "activity"}),
]


@pytest.fixture(scope="module")
def crowded() -> Iterator[tuple[Any, dict[str, str]]]:
    """A client, and tokens of tasks that are over, at an engine where all resource limits are reached."""
    limits = core.Limits(domains=2, types=3, open_executions=1, parked_polls_per_list=0)
    with served.engine(hold_s=1.0, limits=limits) as url:
        swf = served.client(url, retries={"total_max_attempts": 1})
        for name in (DOMAIN, "old"):
            swf.register_domain(name=name, workflowExecutionRetentionPeriodInDays="1")
        swf.deprecate_domain(name="old")
        for kind, defaults in (("workflow", WORKFLOW_DEFAULTS), ("activity", ACTIVITY_DEFAULTS)):
            register = getattr(swf, f"register_{kind}_type")
            for name, given in (("greet", defaults), ("old", defaults), ("bare", {})):
                register(domain=DOMAIN, name=name, version="1", **given)
            deprecate = getattr(swf, f"deprecate_{kind}_type")
            deprecate(domain=DOMAIN, **{f"{kind}Type": {"name": "old", "version": "1"}})
        yield swf, spent_tokens(swf)


def spent_tokens(swf: Any) -> dict[str, str]:
    """Tokens of a decision and an activity whose tasks were answered; leaves one execution open."""
    swf.start_workflow_execution(domain=DOMAIN, workflowId="open", workflowType=TYPE)
    decision = swf.poll_for_decision_task(domain=DOMAIN, taskList=LIST)["taskToken"]
    scheduled = {"activityId": "a", "activityType": TYPE}
    made = {"decisionType": "ScheduleActivityTask", "scheduleActivityTaskDecisionAttributes": scheduled}
    swf.respond_decision_task_completed(taskToken=decision, decisions=[made])
    activity = swf.poll_for_activity_task(domain=DOMAIN, taskList={"name": "work"})["taskToken"]
    swf.respond_activity_task_completed(taskToken=activity)
    return {"decision": decision, "activity": activity}


@pytest.mark.parametrize(("operation", "fault", "params"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES])
def test_modelled_faults(
    crowded: tuple[Any, dict[str, str]], operation: str, fault: str, params: dict[str, Any]
) -> None:
    swf, tokens = crowded
    given = params | {name: tokens[value] for name, value in params.items() if name == "taskToken"}
    call: Callable[..., Any] = getattr(swf, xform_name(operation))
    with pytest.raises(getattr(swf.exceptions, fault)) as caught:
        call(**given)
    assert caught.value.response["Error"]["Code"] == fault
    assert caught.value.response["Error"]["Message"]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_too_many_tags_at_the_registration_of_a_domain(crowded: tuple[Any, dict[str, str]]) -> None:
    """As another account, for this one has no room for a domain, and that is checked first."""
    other = served.client(crowded[0].meta.endpoint_url, access_key="444455556666")
    with pytest.raises(other.exceptions.TooManyTagsFault):
        other.register_domain(name="tagged", workflowExecutionRetentionPeriodInDays="1", tags=MANY_TAGS)


def test_nothing_that_the_model_names_is_left_out() -> None:
    covered = {(operation, fault) for operation, fault, _ in CASES} | {("RegisterDomain", TAGS)}
    permissions = {(operation, "OperationNotPermittedFault") for operation in SERVICE.operation_names}
    assert len(permissions) == 39
    assert covered | permissions | set(AWS_ONLY) == MODELLED


@pytest.fixture(scope="module")
def powerless() -> Iterator[Any]:
    """A client whose key may do nothing."""
    nothing = service.Permissions(allowed=())
    keys = service.StaticKeys([service.Credential("AKIDNOBODY", "secret", "111122223333", permissions=nothing)])
    verifier = service.Verifier(keys, service="swf", clock=clock.SystemClock())
    with served.engine(auth=verifier) as url:
        yield served.client(url, access_key="AKIDNOBODY", secret="secret")


def smallest(shape: model.Shape) -> Any:
    """A value with the required members only, so that the request passes the checks of its shape."""
    match shape:
        case model.StructureShape():
            return {name: smallest(shape.members[name]) for name in shape.required_members}
        case model.ListShape():
            return [smallest(shape.member)]
        case model.StringShape():
            return shape.enum[0] if shape.enum else "1"
        case _:
            return 0


@pytest.mark.parametrize("operation", SERVICE.operation_names)
def test_operation_not_permitted(powerless: Any, operation: str) -> None:
    params = smallest(SERVICE.operation_model(operation).input_shape)
    with pytest.raises(powerless.exceptions.OperationNotPermittedFault):
        getattr(powerless, xform_name(operation))(**params)
