"""Domains, types and resource tags (spec/swf-semantics 6.1, 6.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from elbflow_engine import core
from elbflow_engine.testing import Bench, decision
from elbflow_engine.testing.bench import START

Refused = Callable[..., str]

ARN = "arn:aws:swf:us-east-1:000000000000:/domain/test"
KINDS = pytest.mark.parametrize(("kind", "member"), [("Workflow", "workflowType"), ("Activity", "activityType")])


def register_domain(bench: Bench, name: str, **params: Any) -> None:
    given = {"workflowExecutionRetentionPeriodInDays": "1"} | params
    bench.call("RegisterDomain", name=name, domain=None, **given)


def domain_call(bench: Bench, operation: str, **params: Any) -> Any:
    return bench.call(operation, domain=None, **params)


def test_domain_life(bench: Bench, refused: Refused) -> None:
    register_domain(bench, "d", description="text")
    assert domain_call(bench, "DescribeDomain", name="d") == {
        "domainInfo": {
            "name": "d",
            "status": "REGISTERED",
            "description": "text",
            "arn": "arn:aws:swf:us-east-1:000000000000:/domain/d",
        },
        "configuration": {"workflowExecutionRetentionPeriodInDays": "1"},
    }
    assert refused("DomainAlreadyExistsFault", register_domain, bench, "d") == "d"
    domain_call(bench, "DeprecateDomain", name="d")
    assert refused("DomainDeprecatedFault", domain_call, bench, "DeprecateDomain", name="d") == "d"
    refused("DomainAlreadyExistsFault", register_domain, bench, "d")
    domain_call(bench, "UndeprecateDomain", name="d")
    refused("DomainAlreadyExistsFault", domain_call, bench, "UndeprecateDomain", name="d")
    for operation in ("DescribeDomain", "DeprecateDomain", "UndeprecateDomain"):
        assert refused("UnknownResourceFault", domain_call, bench, operation, name="x") == "Unknown domain: x"


def test_domains_are_listed_in_order(bench: Bench) -> None:
    for name in ("b", "a", "c", "z"):
        register_domain(bench, name)
    domain_call(bench, "DeprecateDomain", name="c")
    names = []
    params: dict[str, Any] = {"registrationStatus": "REGISTERED", "maximumPageSize": 2}
    page = domain_call(bench, "ListDomains", **params)
    names += [info["name"] for info in page["domainInfos"]]
    page = domain_call(bench, "ListDomains", **params, nextPageToken=page["nextPageToken"])
    names += [info["name"] for info in page["domainInfos"]]
    assert names == ["a", "b", "test", "z"]
    assert "nextPageToken" not in page
    page = domain_call(bench, "ListDomains", registrationStatus="REGISTERED", reverseOrder=True)
    assert [info["name"] for info in page["domainInfos"]] == ["z", "test", "b", "a"]
    page = domain_call(bench, "ListDomains", registrationStatus="DEPRECATED")
    assert [info["name"] for info in page["domainInfos"]] == ["c"]


def test_domain_limits(refused: Refused) -> None:
    bench = Bench(core.Limits(domains=2, resource_tags=1))
    register_domain(bench, "d")
    refused("LimitExceededFault", register_domain, bench, "e")
    tags = [{"key": "a", "value": "1"}, {"key": "b"}]
    refused("TooManyTagsFault", domain_call, bench, "TagResource", resourceArn=ARN, tags=tags)


def test_accounts_do_not_see_each_other(bench: Bench, refused: Refused) -> None:
    run_id = bench.start()
    task = bench.poll()
    assert task is not None
    other = "111111111111"
    for operation, params in (
        ("DescribeDomain", {"name": "test"}),
        ("RespondDecisionTaskCompleted", {"taskToken": task["taskToken"]}),
        ("TagResource", {"resourceArn": ARN, "tags": [{"key": "k"}]}),
        (
            "GetWorkflowExecutionHistory",
            {"domain": "test", "execution": {"workflowId": "w", "runId": run_id}},
        ),
    ):
        refused("UnknownResourceFault", bench.engine.call, other, operation, params, bench.now, b"x" * 32)


def test_tags(bench: Bench, refused: Refused) -> None:
    tags = [{"key": "b", "value": "1"}, {"key": "a"}]
    domain_call(bench, "TagResource", resourceArn=ARN, tags=tags)
    domain_call(bench, "TagResource", resourceArn=ARN, tags=[{"key": "b", "value": "2"}])
    domain_call(bench, "UntagResource", resourceArn=ARN, tagKeys=["none"])
    bench.reload()
    listed = {"tags": [{"key": "a", "value": ""}, {"key": "b", "value": "2"}]}
    assert domain_call(bench, "ListTagsForResource", resourceArn=ARN) == listed
    domain_call(bench, "UntagResource", resourceArn=ARN, tagKeys=["a"])
    assert len(domain_call(bench, "ListTagsForResource", resourceArn=ARN)["tags"]) == 1
    refused("UnknownResourceFault", domain_call, bench, "ListTagsForResource", resourceArn=ARN + "x")
    refused("ValidationException", domain_call, bench, "ListTagsForResource", resourceArn="nonsense")
    for bad in ([{"key": "aws:x"}], [{"key": "x"}, {"key": "x"}]):
        refused("ValidationException", domain_call, bench, "TagResource", resourceArn=ARN, tags=bad)


@KINDS
def test_type_life(bench: Bench, refused: Refused, kind: str, member: str) -> None:
    key = {"name": "n", "version": "1"}
    label = f"{kind}Type=[name=n, version=1]"
    bench.call(
        f"Register{kind}Type",
        **key,
        description="text",
        defaultTaskList={"name": "l"},
        defaultTaskPriority="2",
        defaultTaskStartToCloseTimeout="",
    )
    bench.advance(5)
    info = {member: key, "status": "REGISTERED", "creationDate": START, "description": "text"}
    configuration = {"defaultTaskList": {"name": "l"}, "defaultTaskPriority": "2"}
    expected = {"typeInfo": info, "configuration": configuration}
    assert bench.call(f"Describe{kind}Type", **{member: key}) == expected
    assert refused("TypeAlreadyExistsFault", bench.call, f"Register{kind}Type", **key) == label
    refused("TypeAlreadyExistsFault", bench.call, f"Undeprecate{kind}Type", **{member: key})
    assert refused("TypeNotDeprecatedFault", bench.call, f"Delete{kind}Type", **{member: key}) == (
        "The type is currently registered and cannot be deleted in its current state"
    )
    bench.call(f"Deprecate{kind}Type", **{member: key})
    assert refused("TypeDeprecatedFault", bench.call, f"Deprecate{kind}Type", **{member: key}) == label
    bench.reload()
    info |= {"status": "DEPRECATED", "deprecationDate": START + 5}
    assert bench.call(f"Describe{kind}Type", **{member: key}) == expected
    refused("TypeAlreadyExistsFault", bench.call, f"Register{kind}Type", **key)
    bench.call(f"Undeprecate{kind}Type", **{member: key})
    assert bench.call(f"Describe{kind}Type", **{member: key})["typeInfo"]["status"] == "REGISTERED"
    bench.call(f"Deprecate{kind}Type", **{member: key})
    bench.call(f"Delete{kind}Type", **{member: key})
    bench.reload()
    for operation in ("Describe", "Deprecate", "Undeprecate", "Delete"):
        message = refused("UnknownResourceFault", bench.call, f"{operation}{kind}Type", **{member: key})
        assert message == f"Unknown type: {label}"
    bench.call(f"Register{kind}Type", **key)


@KINDS
def test_types_are_listed_in_order(bench: Bench, kind: str, member: str) -> None:
    for name, version in (("b", "2"), ("b", "1"), ("a", "1")):
        bench.call(f"Register{kind}Type", name=name, version=version)

    def listed(**params: Any) -> list[str]:
        given = {"registrationStatus": "REGISTERED"} | params
        found = []
        page = bench.call(f"List{kind}Types", maximumPageSize=1, **given)
        while True:
            found += [info[member]["name"] + info[member]["version"] for info in page["typeInfos"]]
            if "nextPageToken" not in page:
                return found
            page = bench.call(f"List{kind}Types", maximumPageSize=1, nextPageToken=page["nextPageToken"], **given)

    assert listed() == ["a1", "b1", "b2", "sample1"]
    assert listed(reverseOrder=True) == ["sample1", "b2", "b1", "a1"]
    assert listed(name="b") == ["b1", "b2"]
    assert listed(registrationStatus="DEPRECATED") == []


@KINDS
def test_type_limit(refused: Refused, kind: str, member: str) -> None:
    bench = Bench(core.Limits(types=1))
    refused("LimitExceededFault", bench.call, f"Register{kind}Type", name=member, version="1")


def test_deprecated_domain_goes_on_with_what_runs(bench: Bench, refused: Refused) -> None:
    run_id = bench.start()
    task = bench.poll()
    domain_call(bench, "DeprecateDomain", name="test")
    sample = {"name": "sample", "version": "1"}
    assert refused("UnknownResourceFault", bench.start, "v") == "Unknown domain: test"
    for kind, member in (("Workflow", "workflowType"), ("Activity", "activityType")):
        assert bench.call(f"Describe{kind}Type", **{member: sample})["typeInfo"]["status"] == "DEPRECATED"
        refused("UnknownResourceFault", bench.call, f"Register{kind}Type", name="n", version="1")
        refused("UnknownResourceFault", bench.call, f"Undeprecate{kind}Type", **{member: sample})
    activity = decision("ScheduleActivityTask", activityId="a", activityType=sample)
    child = decision("StartChildWorkflowExecution", workflowId="c", workflowType=sample)
    timer = decision("StartTimer", timerId="t", startToFireTimeout="5")
    bench.decide(task, activity, child, timer, decision("ContinueAsNewWorkflowExecution"))
    kinds = [event["eventType"] for event in bench.history(run_id)[4:]]
    assert kinds == [
        "ScheduleActivityTaskFailed",
        "StartChildWorkflowExecutionFailed",
        "TimerStarted",
        "ContinueAsNewWorkflowExecutionFailed",
        "DecisionTaskScheduled",
    ]
    bench.advance(5)
    bench.decide(bench.poll(), decision("CompleteWorkflowExecution"))
    assert bench.describe(run_id)["executionInfo"]["closeStatus"] == "COMPLETED"
