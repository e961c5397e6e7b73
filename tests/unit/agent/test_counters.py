"""Counters across workers, and their at-least-once hand-over."""

from __future__ import annotations

from elbflow_agent.haproxy import stats
from elbflow_agent.servo import Ledger

HEADER = "# pxname,svname,qcur,scur,stot,econ,wretr,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,rtime,ctime,mode,"


def rows(*lines: str) -> list[stats.Row]:
    return stats.parse("\n".join((HEADER, *lines, "")))


def test_what_servers_answered_is_told_apart_from_what_haproxy_answered() -> None:
    counters = stats.Counters()
    counters.observe(
        1,
        rows(
            "local,FRONTEND,,1,9,,,9,0,0,0,0,,,http,",
            "fe-80,FRONTEND,,1,50,,,7,1,4,6,0,,,http,",
            "be-80,i-1,0,1,12,2,3,7,1,2,1,0,25,1,http,",
            "be-80,BACKEND,0,1,12,2,3,7,1,4,6,0,25,1,http,",
            "fe-81,FRONTEND,,1,5,,,,,,,,,,tcp,",
            "be-81,i-1,0,1,5,1,1,,,,,,,4,tcp,",
        ),
    )
    assert counters.totals == {
        "HTTPCode_ELB_4XX": 2,
        "HTTPCode_ELB_5XX": 5,
        "HTTPCode_Backend_2XX": 7,
        "HTTPCode_Backend_3XX": 1,
        "HTTPCode_Backend_4XX": 2,
        "HTTPCode_Backend_5XX": 1,
        "BackendConnectionErrors": 7,
        "RequestCount": 11 + 4,
        "Latency": 11 * 25 + 4 * 4,
        "LatencyCount": 11 + 4,
    }


def test_every_worker_counts_from_zero() -> None:
    counters = stats.Counters()
    counters.observe(1, rows("be-80,i-1,0,0,0,0,0,5,0,0,0,0,0,0,http,"))
    counters.observe(2, rows("be-80,i-1,0,0,0,0,0,3,0,0,0,0,0,0,http,"))
    counters.observe(1, rows("be-80,i-1,0,0,0,0,0,6,0,0,0,0,0,0,http,"))
    assert counters.totals["RequestCount"] == 9
    counters.keep_workers(frozenset({2}))
    assert set(counters.baselines) == {2}


def test_a_server_that_was_removed_and_came_back_counts_from_zero() -> None:
    counters = stats.Counters()
    counters.observe(1, rows("be-80,i-1,0,0,0,0,0,5,0,0,0,0,0,0,http,"))
    counters.forget_server(1, ("be-80", "i-1"))
    counters.observe(1, rows("be-80,i-1,0,0,0,0,0,6,0,0,0,0,0,0,http,"))
    assert counters.totals["RequestCount"] == 11


def test_sessions_include_what_is_queued() -> None:
    found = stats.sessions(rows("be-80,i-1,2,3,0,0,0,5,0,0,0,0,0,0,http,", "be-80,BACKEND,9,9,,,,,,,,,,,http,"))
    assert found == {("be-80", "i-1"): 5}


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


def test_sequences_stay_unique_when_the_files_are_lost() -> None:
    before = Ledger().take({}, 0, period_s=1, now=1000.0)
    after = Ledger().take({}, before.sequence, period_s=1, now=1060.0)
    assert after.sequence > before.sequence
