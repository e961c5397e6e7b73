"""Series of load balancers, and what samples add to counters."""

from __future__ import annotations

from dataclasses import dataclass, field

import prometheus_client

from elbflow.contract import document
from elbflow_agent import series
from elbflow_agent.haproxy import logs, samples, stats, table
from elbflow_agent.servo import Ledger

WEB, SHOP = document.LoadBalancerKey("000000000001", "web"), document.LoadBalancerKey("000000000002", "shop")
HEADER = "# pxname,svname,qcur,qmax,stot,dreq,hrsp_2xx,hrsp_5xx,rtime,ctime,mode,"


@dataclass
class Counted:
    totals: dict[str, float] = field(default_factory=dict)
    queue: float = 0.0


def nobody() -> document.HealthReport:
    return document.HealthReport("")


def shown(where: prometheus_client.CollectorRegistry, name: str, key: document.LoadBalancerKey, **more: str) -> object:
    return where.get_sample_value(name, {"account": key.account, "load_balancer": key.name, **more})


def test_vms_of_a_load_balancer_are_added_up_and_never_shrink() -> None:
    where = prometheus_client.CollectorRegistry()
    all_series = series.Series(where)
    first = Counted({"RequestCount": 5.0, "Latency": 500.0, "LatencyCount": 5.0, "HTTPCode_ELB_5XX": 3.0}, queue=2.0)
    second = Counted({"RequestCount": 7.0})
    ticket = all_series.enter(lambda: WEB, first, nobody)
    other = all_series.enter(lambda: WEB, second, nobody)
    all_series.enter(lambda: SHOP, Counted({"RequestCount": 1.0}), nobody)
    all_series.enter(lambda: None, Counted({"RequestCount": 1000.0}), nobody)
    assert shown(where, "elbflow_lb_requests_total", WEB) == 12.0
    assert shown(where, "elbflow_lb_requests_total", SHOP) == 1.0
    assert shown(where, "elbflow_lb_latency_seconds_sum", WEB) == 0.5
    assert shown(where, "elbflow_lb_surge_queue_length", WEB) == 2.0
    fives = {"origin": "elb", "class": "5xx"}
    assert shown(where, "elbflow_lb_responses_total", WEB, **fives) == 3.0
    first.totals["HTTPCode_ELB_5XX"] = 2.0
    assert shown(where, "elbflow_lb_responses_total", WEB, **fives) == 3.0
    all_series.leave(ticket)
    assert shown(where, "elbflow_lb_requests_total", WEB) == 12.0
    all_series.leave(other)
    assert shown(where, "elbflow_lb_requests_total", WEB) is None


def test_hosts_are_counted_by_the_vms_that_report_on_them() -> None:
    """HealthyHostCount and UnHealthyHostCount are Classic metrics as the others."""
    where = prometheus_client.CollectorRegistry()
    all_series = series.Series(where)
    states = document.InstanceState
    for seen in ((states.IN_SERVICE, states.OUT_OF_SERVICE), (states.IN_SERVICE, states.UNKNOWN, states.IN_SERVICE)):
        instances = tuple(document.InstanceHealth(f"i-{at}", state) for at, state in enumerate(seen))
        report = document.HealthReport("", instances)
        all_series.enter(lambda: WEB, Counted(), lambda report=report: report)  # type: ignore[misc]
    all_series.enter(lambda: SHOP, Counted(), nobody)
    all_series.enter(lambda: None, Counted(), nobody)
    both = ("elbflow_lb_healthy_hosts", "elbflow_lb_unhealthy_hosts")
    assert [shown(where, name, WEB) for name in both] == [3.0, 2.0]
    assert [shown(where, name, SHOP) for name in both] == [0.0, 0.0]


def line(kind: str = "H", connect_ms: int = 1, response_ms: int = 1, queue: int = 0) -> logs.Short:
    return logs.Short(kind, connect_ms, response_ms, 200, "--", 0, queue, "fe-80" if kind == "H" else "fe-81")


def test_latencies_are_those_of_answers_and_of_connections() -> None:
    counted = samples.Samples()
    for each in (
        line(response_ms=40),
        line(response_ms=20),
        line(response_ms=-1, queue=4),  # never answered, but it waited
        line("T", connect_ms=3, response_ms=-1),
        line("T", connect_ms=-1, response_ms=-1),
    ):
        counted.add(each)
    counted.owe(80, 2)
    counted.owe(81, 2)
    assert counted.settle({80: 2, 81: 2}) == (4, 40 + 20 + 2 * 3)
    assert counted.take_extremes() == {"LatencyMin": 3, "LatencyMax": 40, "SurgeQueueLength": 4}
    assert counted.take_extremes() == {}


def test_sampled_latencies_stand_for_all_requests() -> None:
    counters = stats.Counters()
    counters.samples.add(line(response_ms=8))
    rows = f"{HEADER}\nbe-80,i-1,0,0,4,0,4,0,500,0,http,\nbe-81,i-1,0,0,2,0,,,0,7,tcp,\n"  # nothing of port 81
    counters.observe(1, table.parse(rows))
    counters.settle(counters.ended())
    assert counters.totals["Latency"] == 4 * 8 + 2 * 7, "without a sample HAProxy's own mean will do"
    counters.keep_workers(frozenset({1}))
    counters.observe(1, table.parse(rows.replace("0,0,4,0,4", "0,0,5,0,5")))
    counters.settle(counters.ended())
    assert counters.totals["Latency"] == 4 * 8 + 2 * 7 + 500


def test_queues_and_spillover() -> None:
    counters = stats.Counters()
    backend = "be-80,i-1,2,3,0,0,0,0,0,0,http,\nbe-80,BACKEND,4,9,0,6,0,0,0,0,http,"
    rows = f"{HEADER}\n{backend}\nfe-80,FRONTEND,,,0,6,0,6,,,http,\n"
    counters.observe(1, table.parse(rows))
    counters.keep_workers(frozenset({1}))
    assert counters.queue == 6.0
    assert counters.totals["SpilloverCount"] == 6.0
    assert (counters.totals["SurgeQueueLengthSum"], counters.totals["SurgeQueueLengthCount"]) == (6.0, 1.0)
    assert counters.samples.take_extremes() == {"SurgeQueueLength": 9.0}
    counters.keep_workers(frozenset())
    assert counters.queue == 0.0


def test_extremes_are_reported_until_they_are_acknowledged() -> None:
    ledger = Ledger()
    low, high = {"LatencyMin": 5.0, "LatencyMax": 9.0}, {"LatencyMin": 2.0, "LatencyMax": 7.0}

    def take(total: float, acknowledge: int, **extremes: float) -> tuple[int, dict[str, float]]:
        report = ledger.take({"RequestCount": total}, acknowledge, period_s=1, now=0.0, extremes=extremes)
        return report.sequence, dict(report.counters)

    first, _ = take(1.0, 0, **low)
    second, both = take(2.0, 0, **high)
    assert both == {"RequestCount": 2.0, "LatencyMin": 2.0, "LatencyMax": 9.0}
    _, rest = take(3.0, first)
    assert rest == {"RequestCount": 2.0, **high}
    _, later = take(4.0, second, LatencyMin=4.0)
    assert later == {"RequestCount": 2.0, "LatencyMin": 4.0}
    assert take(4.0, ledger.sequence, LatencyMax=1.0)[1] == {}, "nothing was counted"
    assert take(5.0, 0)[1] == {"RequestCount": 1.0, "LatencyMax": 1.0}


def test_extremes_of_reports_that_nobody_acknowledges_do_not_pile_up() -> None:
    ledger = Ledger()
    for total in range(1, 200):
        report = ledger.take({"RequestCount": total}, 0, period_s=1, now=0.0, extremes={"LatencyMax": total})
    assert len(ledger.extremes) < 20
    assert dict(report.counters)["LatencyMax"] == 199
