"""PollInstanceStatus and PutCloudWatchMetric on virtual time."""

from __future__ import annotations

import collections
from typing import Any

import pytest
from tests.unit.decider.fakes import KEY, Fakes, Refused, current_list, fail

from elbflow import flow, testing
from elbflow.contract import activities, document, vm_activities, workflows
from elbflow.contract.activities import ServingVm
from elbflow.contract.workflows import POLL_IMMEDIATELY
from elbflow_decider.workflows import PollInstanceStatus, PutCloudWatchMetric, put_cloudwatch_metric, vm_loops

REQUEST = workflows.LoadBalancerInput(KEY)
REPORT = document.HealthReport("d1")


class News:
    """A VM's health reports: answers at once when its digest is not known, else never."""

    def __init__(self) -> None:
        self.digest = "d1"
        self.asked: list[str] = []

    def __call__(self, known: str) -> document.HealthReport:
        self.asked.append(known)
        if known == self.digest:
            raise testing.Never
        return document.HealthReport(self.digest)


# --- PollInstanceStatus ------------------------------------------------------------------------------------------


def test_a_report_is_stored_and_the_next_change_awaited(fakes: Fakes) -> None:
    news = News()
    fakes.on(vm_activities.get_instance_status, news)
    run = fakes.run(PollInstanceStatus, REQUEST)

    run.settle()

    assert news.asked == ["", "d1"]
    assert fakes.given_to(activities.update_instance_status) == [("i-1", document.HealthReport("d1"))]


def test_a_signal_finds_new_vms_and_asks_all_of_them_anew(fakes: Fakes) -> None:
    news = News()
    fakes.on(vm_activities.get_instance_status, news)
    run = fakes.run(PollInstanceStatus, REQUEST)
    run.settle()

    fakes.vms = ["i-1", "i-2"]
    run.signal(POLL_IMMEDIATELY, None)
    run.settle()

    assert sorted(vm for vm, _ in fakes.given_to(activities.update_instance_status)) == ["i-1", "i-1", "i-2"]
    assert len(run.swf.activities) == 2  # one waiting activity per VM, none left over


def test_signals_in_quick_succession_are_taken_together(fakes: Fakes) -> None:
    news = News()
    fakes.on(vm_activities.get_instance_status, news)
    run = fakes.run(PollInstanceStatus, REQUEST)
    run.settle()
    begun = run.swf.now

    for _ in range(10):
        run.signal(POLL_IMMEDIATELY, None)
        run.settle()
    assert news.asked.count("") == 2

    run.run(until=lambda: news.asked.count("") == 3)
    assert run.swf.now - begun == pytest.approx(30, abs=2)


def test_a_gone_vm_is_no_longer_asked(fakes: Fakes) -> None:
    fakes.vms = ["i-1", "i-2"]
    fakes.on(vm_activities.get_instance_status, News())
    run = fakes.run(PollInstanceStatus, REQUEST)
    run.settle()

    fakes.vms = ["i-2"]
    run.signal(POLL_IMMEDIATELY, None)
    run.settle()

    assert len(run.swf.activities) == 1


def test_a_lost_lease_is_recorded_and_the_vm_asked_for_everything(fakes: Fakes) -> None:
    fakes.vms = ["i-1", "i-2"]
    asked: list[str] = []
    healthy = News()

    def status(known: str) -> document.HealthReport:
        if current_list(run) == "i-2":
            return healthy(known)
        asked.append(known)
        if known:
            raise testing.TimesOut("HEARTBEAT")
        return document.HealthReport("d1")

    fakes.on(vm_activities.get_instance_status, status)
    run = fakes.run(PollInstanceStatus, REQUEST)

    run.run(until=lambda: len(asked) == 4)

    assert asked == ["", "d1", "", "d1"]
    failures = fakes.given_to(activities.record_vm_failure)
    assert failures[0][0] == "i-1"
    assert "HEARTBEAT" in failures[0][1]
    assert failures[0][2] == pytest.approx(run.swf.now, abs=600)
    assert fakes.times(activities.lookup_vms) >= 2  # it might be gone
    assert healthy.asked == ["", "d1"]  # untouched by the other VM's trouble


def test_a_vm_that_repeats_itself_does_not_keep_us_busy(fakes: Fakes) -> None:
    fakes.on(vm_activities.get_instance_status, lambda known: document.HealthReport("same"))
    run = fakes.run(PollInstanceStatus, REQUEST)
    begun = run.swf.now

    run.run(until=lambda: fakes.times(activities.update_instance_status) == 5)

    assert run.swf.now - begun >= 180


def test_a_long_history_is_continued_as_new(fakes: Fakes) -> None:
    reports = iter(range(10_000))
    fakes.on(vm_activities.get_instance_status, lambda known: document.HealthReport(f"d{next(reports)}"))
    run = fakes.run(PollInstanceStatus, REQUEST)

    run.run()

    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"
    assert len(run.swf.events) < vm_loops.MOST_EVENTS + 50


def test_a_run_hears_of_all_of_many_vms_and_comes_to_rest(fakes: Fakes) -> None:
    fakes.vms = [f"i-{number}" for number in range(30)]
    fakes.on(vm_activities.get_instance_status, lambda known: fail(testing.Never())() if known else REPORT)
    run = fakes.run(PollInstanceStatus, REQUEST)

    run.settle()

    assert not run.swf.closed
    assert len(run.swf.events) > vm_loops.MOST_EVENTS
    assert sorted(vm for vm, _ in fakes.given_to(activities.update_instance_status)) == sorted(fakes.vms)
    assert len(run.swf.activities) == 30  # each waits for its next news


def _busy(fakes: Fakes, vms: int) -> testing.WorkflowRun:
    """A PollInstanceStatus that has run to its end: its VMs always have news."""
    reports = iter(range(10_000))
    fakes.vms = [f"i-{number}" for number in range(vms)]
    fakes.on(vm_activities.get_instance_status, lambda known: document.HealthReport(f"d{next(reports)}"))
    run = fakes.run(PollInstanceStatus, REQUEST)
    run.run(most_steps=5_000)
    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"
    return run


def test_limits_grow_with_the_vms_but_not_without_end(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 500 <= len(_busy(fakes, 6).swf.events) < 550
    assert 250 <= len(_busy(fakes, 3).swf.events) < 300
    monkeypatch.setattr(vm_loops, "HISTORY_LIMIT", 300)
    assert 300 <= len(_busy(fakes, 6).swf.events) < 350


def test_a_run_that_ended_at_the_limit_for_few_is_replayed(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    few = _busy(fakes, 3)
    assert not any(event.type == "MarkerRecorded" for event in few.swf.events)
    with monkeypatch.context() as earlier:
        earlier.setattr(vm_loops.VmLoops, "reached", lambda loops, count, limit: count >= limit)
        old = _busy(fakes, 6)
    assert len(old.swf.events) < 300
    new = _busy(fakes, 6)

    for run in (few, old, new):
        flow.replay(PollInstanceStatus, run.swf.events, execution=run.swf.execution)


@pytest.mark.parametrize("workflow_class", [PollInstanceStatus, PutCloudWatchMetric])
def test_cancellation_ends_it(fakes: Fakes, workflow_class: type) -> None:
    fakes.on(vm_activities.get_instance_status, fail(testing.Never()))
    fakes.on(vm_activities.get_cloudwatch_metrics, fail(testing.Never()))
    run = fakes.run(workflow_class, REQUEST)
    run.settle()

    run.swf.request_cancel()
    with pytest.raises(flow.WorkflowClosed, match="Canceled"):
        run.result()


@pytest.mark.parametrize("workflow_class", [PollInstanceStatus, PutCloudWatchMetric])
def test_a_load_balancer_that_is_gone_ends_it(fakes: Fakes, workflow_class: type) -> None:
    fakes.on(activities.lookup_vms, fail(Refused("There is no load balancer web")))

    with pytest.raises(flow.WorkflowFailed, match="ActivityFailed"):
        fakes.run(workflow_class, REQUEST).result()


@pytest.mark.parametrize("workflow_class", [PollInstanceStatus, PutCloudWatchMetric])
def test_no_vms_yet_is_no_failure(fakes: Fakes, workflow_class: type) -> None:
    fakes.vms = []
    fakes.on(vm_activities.get_instance_status, News())
    fakes.on(vm_activities.get_cloudwatch_metrics, fail(testing.Never()))
    run = fakes.run(workflow_class, REQUEST)
    run.settle()
    assert run.swf.activities == {}

    fakes.vms = ["i-1"]
    run.signal(POLL_IMMEDIATELY, None)
    run.settle()
    assert len(run.swf.activities) == 1


# --- PutCloudWatchMetric -----------------------------------------------------------------------------------------


class Counts:
    """A VM's metrics reports, each with the next sequence."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []

    def __call__(self, period_s: float, acknowledge: int) -> document.MetricsReport:
        self.acknowledged.append(acknowledge)
        return document.MetricsReport(len(self.acknowledged), period_s, (("RequestCount", 1.0),))


def test_reports_are_published_then_acknowledged(fakes: Fakes) -> None:
    counts = Counts()
    fakes.on(vm_activities.get_cloudwatch_metrics, counts)
    run = fakes.run(PutCloudWatchMetric, REQUEST)

    run.run(until=lambda: len(counts.acknowledged) == 4)

    assert counts.acknowledged == [0, 1, 2, 3]
    published = [metrics[0] for (metrics,) in fakes.given_to(activities.put_cloudwatch_metrics)]
    assert [(one.instance_id, one.report.sequence) for one in published] == [("i-1", 1), ("i-1", 2), ("i-1", 3)]
    assert fakes.times(activities.lookup_vms) == 1


def test_what_was_published_is_acknowledged_and_not_what_was_given(fakes: Fakes) -> None:
    """The report overlapped with one of another run, and was dropped."""
    counts = Counts()
    fakes.on(vm_activities.get_cloudwatch_metrics, counts)
    fakes.on(activities.put_cloudwatch_metrics, lambda key, metrics: (40 + metrics[0].report.sequence,))
    run = fakes.run(PutCloudWatchMetric, REQUEST)

    run.run(until=lambda: len(counts.acknowledged) == 3)

    assert counts.acknowledged == [0, 41, 42]


def test_it_goes_on_where_the_last_run_published(fakes: Fakes) -> None:
    counts = Counts()
    fakes.on(vm_activities.get_cloudwatch_metrics, counts)
    fakes.on(activities.lookup_vms, lambda key: (ServingVm("i-1", metrics_sequence=41),))
    run = fakes.run(PutCloudWatchMetric, REQUEST)

    run.run(until=lambda: len(counts.acknowledged) == 1)

    assert counts.acknowledged == [41]


def test_a_failed_report_is_asked_for_again_with_the_same_acknowledgement(fakes: Fakes) -> None:
    asked: list[int] = []

    def collect(period_s: float, acknowledge: int) -> document.MetricsReport:
        asked.append(acknowledge)
        if len(asked) == 2:
            raise ConnectionError("servo restarts")
        return document.MetricsReport(len(asked), period_s)

    fakes.on(vm_activities.get_cloudwatch_metrics, collect)
    run = fakes.run(PutCloudWatchMetric, REQUEST)

    run.run(until=lambda: len(asked) == 4)

    assert asked == [0, 1, 1, 3]
    assert fakes.times(activities.record_vm_failure) == 1


def test_it_continues_as_new_after_its_most_reports(fakes: Fakes) -> None:
    fakes.on(vm_activities.get_cloudwatch_metrics, Counts())
    run = fakes.run(PutCloudWatchMetric, REQUEST)

    run.run(most_steps=5_000)

    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"
    reports = fakes.times(activities.put_cloudwatch_metrics)
    assert reports == put_cloudwatch_metric.MOST_REPORTS


def test_busy_vms_do_not_end_a_run_before_an_idle_one_reports(fakes: Fakes) -> None:
    fakes.vms = [f"i-{number}" for number in range(10)]
    counts = Counts()

    def collect(period_s: float, acknowledge: int) -> document.MetricsReport:
        if current_list(run) == "i-9":
            raise testing.Never
        return counts(period_s, acknowledge)

    fakes.on(vm_activities.get_cloudwatch_metrics, collect)
    run = fakes.run(PutCloudWatchMetric, REQUEST)

    run.run(most_steps=5_000)

    reports = collections.Counter(vm.instance_id for ((vm,),) in fakes.given_to(activities.put_cloudwatch_metrics))
    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"
    assert len(reports) == 9
    assert min(reports.values()) > 4  # An idle VM reports every fourth minute.


def test_one_dead_vm_does_not_stop_the_others_reports(fakes: Fakes) -> None:
    fakes.vms = ["i-1", "i-2"]
    counts = Counts()

    def collect(period_s: float, acknowledge: int) -> Any:
        if current_list(run) == "i-1":
            raise testing.Never
        return counts(period_s, acknowledge)

    fakes.on(vm_activities.get_cloudwatch_metrics, collect)
    run = fakes.run(PutCloudWatchMetric, REQUEST)

    run.run(until=lambda: fakes.times(activities.put_cloudwatch_metrics) == 5)

    assert counts.acknowledged[:5] == [0, 1, 2, 3, 4]
