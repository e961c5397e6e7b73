from __future__ import annotations

from elbflow_engine.wire import Admission, admission, inputs

RATES = {"Start": admission.Rate(10, 2)}


def taken(gate: Admission, account: str, now: float, tries: int = 100) -> int:
    return sum(gate.admit(account, "Start", now) for _ in range(tries))


def test_a_bucket_gives_its_capacity_then_its_refill() -> None:
    gate = Admission(1.0, RATES)
    assert taken(gate, "a", 0.0) == 10
    assert taken(gate, "a", 0.4) == 0
    assert taken(gate, "a", 3.0) == 6
    assert taken(gate, "a", 1000.0) == 10


def test_accounts_do_not_share_buckets() -> None:
    gate = Admission(1.0, RATES)
    assert [taken(gate, account, 0.0) for account in ("a", "b")] == [10, 10]


def test_the_scale_multiplies_and_zero_admits_everything() -> None:
    assert taken(Admission(0.5, RATES), "a", 0.0) == 5
    assert taken(Admission(0.0, RATES), "a", 0.0) == 100


def test_a_tiny_scale_admits_one_request_at_a_time() -> None:
    gate = Admission(0.01, RATES)
    assert [taken(gate, "a", now) for now in (0.0, 1.0, 100.0)] == [1, 0, 1]


def test_every_operation_has_a_published_rate() -> None:
    assert set(admission.PUBLISHED) == inputs().operations


def test_full_buckets_are_forgotten() -> None:
    gate = Admission(1.0, RATES)
    assert taken(gate, "busy", 100_000.0) == 10
    for number in range(admission.MOST_BUCKETS):
        gate.admit(str(number), "Start", float(number))
    assert len(gate._buckets) < 20
    assert not gate.admit("busy", "Start", 100_000.0)
