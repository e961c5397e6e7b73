"""Counters across workers, and their at-least-once hand-over."""

from __future__ import annotations

from elbflow_agent.haproxy import logs, stats, table
from elbflow_agent.servo import Ledger

HEADER = (
    "# pxname,svname,qcur,scur,stot,econ,wretr,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,rtime,ctime,mode,wredis,"
)


def settle(counters: stats.Counters) -> None:
    """All lines have been read."""
    counters.settle(counters.ended())


def rows(*lines: str) -> list[table.Row]:
    return table.parse("\n".join((HEADER, *lines, "")))


def test_what_servers_answered_is_told_apart_from_what_haproxy_answered() -> None:
    counters = stats.Counters()
    counters.observe(
        1,
        rows(
            "local,FRONTEND,,1,9,,,9,0,0,0,0,,,http,",
            "fe-80,FRONTEND,,1,50,,,7,1,4,6,0,,,http,",
            "be-80,i-1,0,1,18,2,3,7,1,2,1,0,25,1,http,1,",
            "be-80,BACKEND,0,0,12,2,3,7,1,4,6,0,25,1,http,1,",
            "fe-81,FRONTEND,,1,5,,,,,,,,,,tcp,",
            "be-81,i-1,0,1,5,1,1,,,,,,,4,tcp,0,",
        ),
    )
    settle(counters)
    assert counters.totals == {
        "HTTPCode_ELB_4XX": 2,
        "HTTPCode_ELB_5XX": 5,
        "HTTPCode_Backend_2XX": 7,
        "HTTPCode_Backend_3XX": 1,
        "HTTPCode_Backend_4XX": 2,
        "HTTPCode_Backend_5XX": 1,
        "BackendConnectionErrors": 6 + 2,
        "RequestCount": 12 + 3,  # one was routed and not answered
        "Latency": 11 * 25 + 3 * 4,
        "LatencyCount": 11 + 3,
    }


def test_a_connection_that_is_tried_at_one_look_and_has_failed_at_the_next_is_no_request() -> None:
    counters = stats.Counters()
    counters.observe(1, rows("be-81,i-1,0,1,1,0,0,,,,,,,0,tcp,0,", "be-81,BACKEND,0,1,1,0,0,,,,,,,0,tcp,0,"))
    settle(counters)
    counters.observe(1, rows("be-81,i-1,0,0,4,1,3,,,,,,,0,tcp,0,"))
    settle(counters)
    assert counters.totals["RequestCount"] == 0
    assert "LatencyCount" not in counters.totals
    assert counters.totals["BackendConnectionErrors"] == 4


def test_failures_that_an_earlier_build_did_not_count_are_not_counted_at_once() -> None:
    counters = stats.Counters(baselines={1: {("be-81", "i-1"): {"stot": 9.0, "econ": 0.0, "wretr": 0.0}}})
    counters.observe(1, rows("be-81,i-1,0,1,10,0,0,,,,,,,0,tcp,5,"))
    assert counters.totals["RequestCount"] == 1
    assert "BackendConnectionErrors" not in counters.totals


def test_every_worker_counts_from_zero() -> None:
    counters = stats.Counters()
    counters.observe(1, rows("be-80,i-1,0,0,5,0,0,5,0,0,0,0,0,0,http,0,"))
    counters.observe(2, rows("be-80,i-1,0,0,3,0,0,3,0,0,0,0,0,0,http,0,"))
    counters.observe(1, rows("be-80,i-1,0,0,6,0,0,6,0,0,0,0,0,0,http,0,"))
    assert counters.totals["RequestCount"] == 9
    counters.keep_workers(frozenset({2}))
    assert set(counters.baselines) == {2}


def test_a_server_that_was_removed_and_came_back_counts_from_zero() -> None:
    counters = stats.Counters()
    counters.observe(1, rows("be-80,i-1,0,0,5,0,0,5,0,0,0,0,0,0,http,0,"))
    counters.forget_server(1, ("be-80", "i-1"))
    counters.observe(1, rows("be-80,i-1,0,0,6,0,0,6,0,0,0,0,0,0,http,0,"))
    assert counters.totals["RequestCount"] == 11


def test_sessions_include_what_is_queued() -> None:
    found = table.sessions(rows("be-80,i-1,2,3,0,0,0,5,0,0,0,0,0,0,http,", "be-80,BACKEND,9,9,,,,,,,,,,,http,"))
    assert found == {("be-80", "i-1"): 5}


def short(latency_ms: int, frontend: str, kind: str = "H") -> logs.Short:
    line = logs.short(f'["{kind}",{latency_ms},{latency_ms},200,"--",0,0,"{frontend}"]'.encode())
    assert line is not None
    return line


def test_a_busy_listener_of_which_few_lines_are_seen_weighs_as_much_as_it_served() -> None:
    """Of the fast one, one line in 64 is written; of the slow one all are."""
    counters = stats.Counters()
    for _ in range(100):
        counters.samples.add(short(1000, "fe-81~"))
    counters.samples.add(short(10, "fe-80"), 60.0)
    counters.samples.add(short(70, "fe-80"), 4.0)
    counters.observe(
        1,
        rows(
            "be-80,i-1,0,0,6400,0,0,6400,0,0,0,0,0,0,http,0,",
            "be-81,i-1,0,0,100,0,0,100,0,0,0,0,0,0,http,0,",
            "be-82,i-1,0,0,10,0,0,10,0,0,0,0,5,0,http,0,",
        ),
    )
    settle(counters)
    assert counters.totals["Latency"] == 6400 * (10 * 60 + 70 * 4) / 64 + 100 * 1000 + 10 * 5
    assert counters.samples.take_extremes() == {"LatencyMin": 10, "LatencyMax": 1000}


def test_the_sum_of_latencies_is_not_below_the_greatest_of_them() -> None:
    """A request was counted, its line was read after the look, and was taken to have lasted as long as others."""
    counters = stats.Counters()
    counters.samples.add(short(1, "fe-80"))
    counters.observe(1, rows("be-80,i-1,0,0,2,0,0,2,0,0,0,0,0,0,http,0,"))
    ended = counters.ended()
    counters.samples.add(short(200, "fe-80"))
    counters.samples.add(short(300, "fe-80"))  # of one that was counted by nobody yet
    counters.settle(ended)
    assert counters.totals == {"HTTPCode_Backend_2XX": 2, "RequestCount": 2, "LatencyCount": 2, "Latency": 201}
    assert counters.samples.take_extremes() == {"LatencyMin": 1, "LatencyMax": 200}
    counters.observe(1, rows("be-80,i-1,0,0,3,0,0,3,0,0,0,0,0,0,http,0,"))
    settle(counters)
    assert (counters.totals["LatencyCount"], counters.totals["Latency"]) == (3, 501)
    assert counters.samples.take_extremes() == {"LatencyMin": 300, "LatencyMax": 300}
    assert counters.samples.listeners == {}


def test_an_answer_that_is_on_its_way_has_no_latency_before_its_line_comes() -> None:
    """Its header was counted; a download of minutes was said to have begun at once."""
    counters = stats.Counters()
    counters.observe(1, rows("be-80,i-1,0,1,1,0,0,1,0,0,0,0,0,0,http,0,", "be-80,BACKEND,0,1,1,0,0,,,,,,,0,http,0,"))
    settle(counters)
    assert counters.totals["RequestCount"] == 1
    assert "LatencyCount" not in counters.totals
    counters.samples.add(short(2000, "fe-80"))
    counters.observe(1, rows("be-80,i-1,0,0,1,0,0,1,0,0,0,0,0,0,http,0,", "be-80,BACKEND,0,0,1,0,0,,,,,,,0,http,0,"))
    settle(counters)
    assert (counters.totals["LatencyCount"], counters.totals["Latency"]) == (1, 2000)


def test_a_line_that_belongs_to_no_answer_is_used_for_none_of_later() -> None:
    counters = stats.Counters()
    counters.samples.add(short(999, "fe-80"))
    for _ in range(2):
        settle(counters)
    counters.observe(1, rows("be-80,i-1,0,0,1,0,0,1,0,0,0,0,7,0,http,0,"))
    settle(counters)
    assert counters.totals["Latency"] == 7
    assert counters.samples.take_extremes() == {}


def test_lines_of_either_length_say_whose_they_are() -> None:
    full = b'["T",3,-1,-1,"--",0,0,1.5,0,0,"c","1","s","2","fe-443~",1,2,"-","-"]'
    assert [logs.short(line) for line in (full, full[:21] + b"]")] == [
        logs.Short("T", 3, -1, -1, "--", 0, 0, "fe-443~"),
        logs.Short("T", 3, -1, -1, "--", 0, 0),
    ]
    assert logs.short(b'["T",3]') is None


def test_a_report_is_owed_until_it_is_acknowledged() -> None:
    ledger = Ledger()
    first = ledger.take({"RequestCount": 5}, 0, period_s=60, now=1000.0)
    assert first.counters == (("RequestCount", 5),)
    again = ledger.take({"RequestCount": 7}, 0, period_s=60, now=1000.0)
    assert again.counters == (("RequestCount", 7),)
    assert again.sequence > first.sequence
    unknown = ledger.take({"RequestCount": 8}, 999, period_s=60, now=1000.0)
    assert unknown.counters == (("RequestCount", 8),)
    settled = ledger.take({"RequestCount": 9}, unknown.sequence, period_s=60, now=1000.0)
    assert settled.counters == (("RequestCount", 1),)


def test_a_report_that_nobody_took_does_not_hide_the_one_that_arrived() -> None:
    """A run of the control plane's workflow that has ended may ask once more, with what it knew."""
    ledger = Ledger()
    known = ledger.take({"RequestCount": 10}, 0, period_s=60, now=1000.0)
    arrived = ledger.take({"RequestCount": 110}, known.sequence, period_s=60, now=1060.0)
    untaken = ledger.take({"RequestCount": 115}, known.sequence, period_s=60, now=1090.0)
    assert (arrived.counters, untaken.counters) == ((("RequestCount", 100),), (("RequestCount", 105),))
    again = ledger.take({"RequestCount": 120}, arrived.sequence, period_s=60, now=1120.0)
    assert again.counters == (("RequestCount", 10),)
    late = ledger.take({"RequestCount": 120}, known.sequence, period_s=60, now=1130.0)
    assert late.counters == again.counters, "what is settled stays settled"
    assert ledger.take({"RequestCount": 120}, again.sequence, period_s=60, now=1180.0).counters == ()


def test_reports_that_are_never_acknowledged_do_not_pile_up() -> None:
    ledger = Ledger()
    for total in range(1, 1000):
        last = ledger.take({"RequestCount": total}, 0, period_s=60, now=0.0)
    assert len(ledger.owed) < 100
    assert ledger.take({"RequestCount": total}, last.sequence, period_s=60, now=0.0).counters == ()
    assert ledger.owed == {}


def test_a_dip_is_made_up_for_and_never_reported_negative() -> None:
    ledger = Ledger()
    first = ledger.take({"HTTPCode_ELB_5XX": 3}, 0, period_s=1, now=0)
    dip = ledger.take({"HTTPCode_ELB_5XX": 2}, first.sequence, period_s=1, now=0)
    assert dip.counters == ()
    later = ledger.take({"HTTPCode_ELB_5XX": 4}, dip.sequence, period_s=1, now=0)
    assert later.counters == (("HTTPCode_ELB_5XX", 1),)


def test_a_vm_that_lost_its_memory_does_not_report_what_was_published() -> None:
    """HAProxy counts from its start: without the files nobody else knows how much of that was reported."""
    blank = Ledger()
    assert blank.take({"RequestCount": 5000}, 1700000000, period_s=60, now=1700000050.0).counters == ()
    later = blank.take({"RequestCount": 5003}, blank.sequence, period_s=60, now=1700000110.0)
    assert later.counters == (("RequestCount", 3),)
    assert Ledger().take({"RequestCount": 7}, 0, period_s=60, now=1.0).counters == (("RequestCount", 7),)


def test_a_report_follows_the_acknowledged_one_although_the_clock_went_back() -> None:
    report = Ledger().take({"RequestCount": 1}, 1700000000, period_s=60, now=1000.0)
    assert (report.sequence, report.since) == (1700000001, 1700000000)


def test_sequences_stay_unique_when_the_files_are_lost() -> None:
    before = Ledger().take({}, 0, period_s=1, now=1000.0)
    after = Ledger().take({}, before.sequence, period_s=1, now=1060.0)
    assert after.sequence > before.sequence
