"""No request is lost or reported twice by any order of reloads, samples, restarts and lost reports."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from elbflow_agent.haproxy import logs, stats, table
from elbflow_agent.servo import Ledger

HEADER = "# pxname,svname,qcur,scur,stot,econ,wretr,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,rtime,mode,"
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("serve"), st.integers(1, 50)),
        st.tuples(st.just("reload"), st.just(0)),
        st.tuples(st.just("take"), st.sampled_from([0, 1])),
        st.tuples(st.just("late"), st.just(0)),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_reports_that_arrive_add_up_to_what_was_served(steps: list[tuple[str, int]]) -> None:
    counters, ledger = stats.Counters(), Ledger()
    pids = itertools.count(100)
    worker, served_by_worker, served = next(pids), 0, 0
    received, acknowledge, former, late = 0.0, 0, 0, 0

    def observe() -> None:
        line = f"be-80,i-1,0,0,{served_by_worker},0,0,{served_by_worker},0,0,0,0,0,http,"
        counters.observe(worker, table.parse(f"{HEADER}\n{line}\n"))

    for step, value in [*steps, ("take", 1)]:
        match step:
            case "serve":
                served_by_worker += value
                served += value
            case "reload":
                observe()
                worker, served_by_worker = next(pids), 0
                counters.keep_workers(frozenset({worker}))
            case "late":  # somebody asks with what was known before, and the report is lost
                observe()
                if (late := late + 1) <= 10:
                    ledger.take(counters.totals, former, period_s=1.0, now=0.0)
            case _:
                late = 0
                observe()
                report = ledger.take(counters.totals, acknowledge, period_s=1.0, now=0.0)
                if value:  # the report arrived; else it was lost on its way
                    received += dict(report.counters).get("RequestCount", 0.0)
                    former, acknowledge = acknowledge, report.sequence
    assert received == served


ANSWERS = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, 3), st.integers(0, 3)),  # latency, counted when, line after that
    min_size=1,
    max_size=30,
)


@given(answers=ANSWERS)
def test_sums_numbers_and_extremes_of_latencies_tell_of_the_same_answers(answers: list[tuple[int, int, int]]) -> None:
    """However far line and counter are apart. Every latency is counted once, and none before its line was read."""
    counters, number, total = stats.Counters(), 0.0, 0.0
    for look in range(8):
        begun = sum(at <= look for _, at, _ in answers)
        flowing = sum(at <= look < at + later for _, at, later in answers)
        lines = (f"be-80,i-1,0,0,{begun},0,0,{begun},0,0,0,0,0,http,", f"be-80,BACKEND,0,{flowing},,,,,,,,,,http,")
        counters.observe(1, table.parse("\n".join((HEADER, *lines, ""))))
        ended = counters.ended()
        for latency_ms, at, later in answers:
            if at + later == look:
                counters.samples.add(logs.Short("H", 0, latency_ms, 200, "--", 0, 0, "fe-80"))
        counters.settle(ended)
        extremes = counters.samples.take_extremes()
        grown = counters.totals.get("LatencyCount", 0.0) - number, counters.totals.get("Latency", 0.0) - total
        number, total = number + grown[0], total + grown[1]
        assert number == begun - flowing
        if extremes:
            assert extremes["LatencyMax"] <= grown[1]
            assert extremes["LatencyMin"] * grown[0] <= grown[1] <= extremes["LatencyMax"] * grown[0]
    assert (number, total) == (len(answers), sum(latency_ms for latency_ms, _, _ in answers))
