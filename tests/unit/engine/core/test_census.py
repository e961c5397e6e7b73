"""Domains and task lists as people see them."""

from __future__ import annotations

from elbflow_engine import core
from elbflow_engine.testing import Bench
from elbflow_engine.testing import bench as benches


def figures(bench: Bench) -> core.DomainFigures:
    [one] = bench.engine.domains(bench.now)
    return one


def test_a_domain_with_what_is_open_and_waits(bench: Bench) -> None:
    assert figures(bench) == core.DomainFigures(benches.ACCOUNT, benches.DOMAIN, "REGISTERED", 0, 1, 1, 0, 0, 0.0)
    bench.start("a")
    bench.advance(5)
    bench.start("b")
    bench.park("activity", "work")
    one = figures(bench)
    assert (one.open_executions, one.parked, one.backlog, one.oldest_ready_s) == (2, 1, 2, 5.0)
    bench.decide(bench.poll(), benches.decision("CompleteWorkflowExecution"))
    one = figures(bench)
    assert (one.open_executions, one.backlog, one.oldest_ready_s) == (1, 1, 0.0)
    bench.call("DeprecateDomain", name=benches.DOMAIN, domain=None)
    assert figures(bench).status == "DEPRECATED"


def test_domains_of_all_accounts_in_order(bench: Bench) -> None:
    for account, name in (("222222222222@eu-west-1", "b"), ("111111111111", "z"), ("111111111111", "y")):
        params: core.Object = {"name": name, "workflowExecutionRetentionPeriodInDays": "1"}
        bench.commit(bench.engine.call(account, "RegisterDomain", params, bench.now, b"x" * 48))
    assert [(one.account, one.name) for one in bench.engine.domains(bench.now)] == [
        (benches.ACCOUNT, benches.DOMAIN),
        ("111111111111", "y"),
        ("111111111111", "z"),
        ("222222222222@eu-west-1", "b"),
    ]


def test_lists_with_their_pollers_and_their_oldest_task(bench: Bench) -> None:
    for identity in ("host-1", "host-2", "host-1"):
        bench.park("activity", "work", identity=identity)
    bench.park("activity", "work")
    bench.start("low", taskList={"name": "queue"}, taskPriority="1")
    bench.advance(3)
    bench.start("high", taskList={"name": "queue"}, taskPriority="9")
    assert sorted(bench.engine.lists(benches.ACCOUNT, benches.DOMAIN, bench.now + 4)) == [
        core.ListFigures("activity", "work", 4, 0, 0.0),
        core.ListFigures("decision", "queue", 0, 2, 7.0),
    ]
    pollers = bench.engine.pollers(benches.ACCOUNT, benches.DOMAIN, "activity", "work")
    assert pollers == (("host-1", 2), ("host-2", 1), ("", 1))
    assert bench.engine.pollers(benches.ACCOUNT, benches.DOMAIN, "decision", "queue") == ()
    assert bench.engine.lists("111111111111", benches.DOMAIN, bench.now) == ()
