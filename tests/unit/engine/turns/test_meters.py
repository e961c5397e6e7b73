"""What is counted and shown (spec/swf-long-poll-scale 6.13)."""

from __future__ import annotations

import random
from typing import Any

import prometheus_client
import structlog
from prometheus_client.parser import text_string_to_metric_families

from elbflow_engine import core, meters, tallies, turns


def listed(domain: str, name: str, backlog: int, parked: int, account: str = "1") -> core.ListStatistics:
    return core.ListStatistics(account, domain, "activity", name, backlog, parked)


class Scrape:
    def __init__(self, **options: Any) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self.meter = meters.Meters(self.registry, **options)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def lines(self) -> int:
        text = prometheus_client.generate_latest(self.registry).decode()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        names = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in samples]
        assert len(names) == len(set(names)), "a time series appears twice"
        return len(names)


def test_requests_are_counted_and_timed_without_their_parking() -> None:
    scrape = Scrape()
    began = meters.instant() - 50.0
    scrape.meter.answered("PollForDecisionTask", "200", began, 49.9)
    scrape.meter.answered("PollForDecisionTask", "disconnect", began, 60.0)
    assert scrape.value("swfd_requests_total", op="PollForDecisionTask", code="200") == 1
    assert scrape.value("swfd_request_seconds_count", op="PollForDecisionTask") == 2
    served_s = scrape.value("swfd_request_seconds_sum", op="PollForDecisionTask")
    assert served_s is not None
    assert 0.09 < served_s < 5
    assert scrape.value("swfd_request_seconds_bucket", op="PollForDecisionTask", le="0.001") == 1
    assert scrape.value("swfd_request_seconds_bucket", op="PollForDecisionTask", le="+Inf") == 2


def test_series_are_bounded_whatever_the_labels() -> None:
    counts = tallies.Counts("x", "x", ["a"])
    for number in range(tallies.MOST_SERIES + 50):
        counts.add(str(number))
    spreads = tallies.Histograms("y", "y", ["a"])
    for number in range(tallies.MOST_SERIES + 50):
        spreads.observe(1.0, str(number))
    samples = counts.family().samples
    assert len(samples) == tallies.MOST_SERIES + 1
    assert {sample.value for sample in samples if sample.labels["a"] == tallies.OTHER} == {50}
    assert sum(sample.value for sample in spreads.family().samples if sample.name == "y_count") == 2050
    assert len(spreads._spreads) == tallies.MOST_SERIES + 1


def test_lists_and_domains_are_named_up_to_a_bound_and_the_rest_is_added_up() -> None:
    scrape = Scrape()
    by_domain = {(f"d{number}", "activity"): (number, 3) for number in range(150)}
    gauges = core.Gauges(
        open_executions=7,
        deadlines=9,
        parked=sum(range(150)),
        by_domain=by_domain,
        most_parked=tuple(listed(f"d{number}", "l", 1, number) for number in range(149, 129, -1)),
        most_ready=(listed("d149", "l", 2, 1), listed("d3", "l", 3, 1), listed("d3", "l", 2, 1, account="2")),
        oldest_ready_s=1.5,
    )
    scrape.meter.watch(lambda: gauges, Standing())  # type: ignore[arg-type]
    assert scrape.value("swfd_open_executions") == 7
    assert scrape.value("swfd_oldest_ready_seconds") == 1.5
    assert scrape.value("swfd_parked_polls", domain="d149", kind="activity") == 149
    assert scrape.value("swfd_parked_polls", domain="d3", kind="activity") is None
    assert scrape.value("swfd_parked_polls", domain=tallies.OTHER, kind="activity") == sum(range(50))
    assert scrape.value("swfd_parked_by_list", domain="d149", kind="activity", list="l") == 149
    assert scrape.value("swfd_backlog", domain="d149", kind="activity", list="l") == 2
    assert scrape.value("swfd_backlog", domain="d149", kind="activity", list=tallies.OTHER) == 1
    assert scrape.value("swfd_backlog", domain="d3", kind="activity", list="l") == 5
    assert scrape.value("swfd_backlog", domain=tallies.OTHER, kind="activity", list=tallies.OTHER) == 50 * 3 - 5
    assert scrape.value("swfd_queue_length", **{"class": "start"}) == 4
    assert scrape.value("swfd_in_service") == 2
    assert scrape.lines() < 500
    backlog = [
        sample.value
        for family in scrape.registry.collect()
        if family.name == "swfd_backlog"
        for sample in family.samples
    ]
    assert sum(backlog) == 150 * 3


class Standing:
    serving = 2

    def waiting(self) -> dict[turns.Rank, int]:
        return {turns.Rank.START: 4}


def test_everything_that_is_promised_is_shown_before_anything_happened() -> None:
    scrape = Scrape()
    text = prometheus_client.generate_latest(scrape.registry).decode()
    for name in ("unstart_total", "dead_waiter_skipped_total", "reloads_total"):
        assert f"swfd_{name} 0.0" in text
    for name in ("handoff_seconds", "commit_seconds", "commit_group_size", "timer_lag_seconds", "loop_lag_seconds"):
        assert f"swfd_{name}_count 0.0" in text


def test_a_share_of_the_requests_is_logged_but_no_poll() -> None:
    meter = Scrape(access_log_share=0.01, chance=random.Random(5)).meter
    with structlog.testing.capture_logs() as logs:
        for _ in range(5000):
            meter.answered("StartWorkflowExecution", "200", meters.instant(), 0.0)
            meter.answered("PollForActivityTask", "200", meters.instant(), 0.0)
    assert {line["operation"] for line in logs} == {"StartWorkflowExecution"}
    assert 25 <= len(logs) <= 85
