"""Payloads of AWS's Flow framework for Java."""

from __future__ import annotations

import json

import pytest
from tests import original_messages

from elbflow.contract import document, vm_activities
from elbflow_agent.original import dialect

IN, OUT, UNKNOWN = (
    document.InstanceState.IN_SERVICE,
    document.InstanceState.OUT_OF_SERVICE,
    document.InstanceState.UNKNOWN,
)


@pytest.mark.parametrize("texts", [(), ("<a/>",), ('q"\\ü\n',)])
def test_arguments_are_read(texts: tuple[str, ...]) -> None:
    found = dialect.call(original_messages.call(*texts))
    assert found is not None
    assert found.texts(len(texts)) == texts


def test_our_own_arguments_are_no_such_call(full: document.LoadBalancerDocument) -> None:
    own = [
        vm_activities.set_load_balancer.encode_arguments(full),
        vm_activities.get_instance_status.encode_arguments("[Ljava.lang.Object;"),
        vm_activities.get_cloudwatch_metrics.encode_arguments(60.0, 1),
        None,
        "",
    ]
    assert [dialect.call(text) for text in own] == [None] * 5


@pytest.mark.parametrize(
    "text",
    [
        '["[Ljava.lang.Object;",',
        '["[Ljava.lang.Object;", "<a/>"]',
        '["[Ljava.lang.Object;", [], []]',
        '["[Ljava.lang.Object;", []]',
        '["[Ljava.lang.Object;", ["<a/>", "<b/>"]]',
        '["[Ljava.lang.Object;", [1]]',
        '["[Ljava.lang.Object;", ["\\ud800"]]',
        f'["[Ljava.lang.Object;", {"[" * 30_000}',
    ],
)
def test_arguments_that_only_begin_so_are_refused(text: str) -> None:
    found = dialect.call(text)
    assert found is not None
    with pytest.raises(dialect.Unreadable):
        found.texts(1)


def test_health_is_a_text_that_is_json_itself() -> None:
    instances = tuple(document.InstanceHealth(f"i-{n}", state, "why") for n, state in enumerate((IN, OUT, UNKNOWN)))
    payload = dialect.status(document.HealthReport("d", instances)).payload()
    assert json.loads(json.loads(payload)) == {"i-0": "InService", "i-1": "OutOfService", "i-2": "Unknown"}
    assert json.loads(json.loads(dialect.status(document.HealthReport("")).payload())) == {}


def test_metrics_are_all_eight_as_texts() -> None:
    told = json.loads(json.loads(dialect.metrics(document.MetricsReport(1, 30.0)).payload()))
    assert told == {
        "Latency": "0",
        "RequestCount": "0",
        **{f"HTTPCode_ELB_{kind}": "0" for kind in ("4XX", "5XX")},
        **{f"HTTPCode_Backend_{kind}": "0" for kind in ("2XX", "3XX", "4XX", "5XX")},
    }


def test_metrics_tell_what_was_counted_and_nothing_that_is_only_ours() -> None:
    counters = (("RequestCount", 3.0), ("Latency", 12.6), ("SpilloverCount", 2.0), ("SurgeQueueLengthSum", 9.0))
    told = json.loads(json.loads(dialect.metrics(document.MetricsReport(1, 30.0, counters)).payload()))
    assert (told["RequestCount"], told["Latency"], told["SpilloverCount"], len(told)) == ("3", "13", "2", 9)


def test_an_answer_that_does_not_fit_is_refused() -> None:
    many = tuple(document.InstanceHealth(f"i-{n:017x}", OUT) for n in range(1000))
    with pytest.raises(dialect.AnswerTooLarge):
        dialect.status(document.HealthReport("d", many)).payload()


def test_a_failure_has_the_class_that_the_original_knows() -> None:
    reason, details = dialect.failure("x" * 10_000)
    assert len(reason) == 256
    assert len(details) < dialect.MOST_TEXT
    kind, said = json.loads(dialect.failure("wrong \ud800")[1])
    assert kind == "com.eucalyptus.loadbalancing.workflow.LoadBalancingActivityException"
    assert said == {"message": "wrong \\ud800"}
