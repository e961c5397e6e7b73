"""What a VM reports of its instances and listeners."""

from __future__ import annotations

import random
import string

from elbflow.contract import document, vm_activities
from elbflow_agent.servo import reports

KEY = document.LoadBalancerKey("000000000001", "web")
SERVED = document.LoadBalancerDocument(KEY, 1, "local-1a", backends=(document.BackendInstance("i-1", "10.0.0.1"),))
EXPIRED = document.ListenerProblem(443, "certificate c has expired", is_served=True)
IN_USE = document.ListenerProblem(80, "port is in use by another process")


def test_a_problem_is_news_and_so_is_its_end() -> None:
    before, then, more = (
        reports.health_report(SERVED, {}, {}, problems) for problems in ((), (EXPIRED,), (IN_USE, EXPIRED))
    )
    assert len({before.digest, then.digest, more.digest}) == 3
    assert before == reports.health_report(SERVED, {}, {})
    assert (then.problems, then.instances) == ((EXPIRED,), before.instances)


def test_what_a_report_says_travels_and_what_it_does_not_say_is_left_out() -> None:
    status = vm_activities.get_instance_status
    for problems in ((), (IN_USE, EXPIRED), None):
        said = document.HealthReport("d", (), problems)
        assert status.decode_result(status.encode_result(said)) == said
    assert status.encode_result(document.HealthReport("d")) == '{"digest":"d","instances":[]}'
    applied = document.Applied(1, "h", (IN_USE,))
    assert "is_served" not in vm_activities.set_load_balancer.encode_result(applied)


def test_reasons_are_cut_only_where_there_is_no_room() -> None:
    same = [
        document.ListenerProblem(port, f"certificate arn:aws:iam::{'1' * 12}:c{port}") for port in range(100, 0, -1)
    ]
    assert reports.collected(same[:50], same[50:]) == tuple(reversed(same))
    assert reports.collected() == ()
    rng = random.Random(1)
    long = [document.ListenerProblem(port, "".join(rng.choices(string.ascii_letters, k=600))) for port in range(100)]
    cut = reports.collected(long)
    assert [each.port for each in cut] == list(range(100))
    assert {len(each.reason) for each in cut} == {16}
    assert all(before.reason.startswith(each.reason[:-1]) for before, each in zip(long, cut, strict=True))
