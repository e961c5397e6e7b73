"""Proofs, failures and metrics of VMs."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from tests.unit.activities.world import KEY, World, backend

from elbflow import store
from elbflow.contract import activities, document, names, transport
from elbflow.store import conditions, documents
from elbflow_activities import measurements
from elbflow_activities.activities import metrics
from elbflow_activities.cloud import base


async def vm_of(world: World) -> store.Vm:
    (vm,) = (await world.lb()).vms
    return vm


async def test_the_document_of_a_vm(world: World) -> None:
    await world.create_active("a")
    await world.register(backend("i-1"))
    vm = await vm_of(world)

    made = await world.do(activities.lookup_document, KEY, vm.instance_id)

    lb = await world.lb()
    assert (made.key, made.zone, made.generation) == (KEY, "a", lb.generation)
    assert made.listeners == lb.listeners
    assert [one.instance_id for one in made.backends] == ["i-1"]
    assert await world.do(activities.lookup_document, KEY, "i-elsewhere") is None


async def test_the_documents_of_all_zones_travel_with_their_vms(world: World) -> None:
    await world.create_active("a", "b")
    await world.register(backend("i-1"))

    zones = await world.do(activities.lookup_zones, KEY)

    vms = {vm.instance_id: vm.zone for vm in (await world.lb()).vms}
    assert {vm.instance_id: zone.document.zone for zone in zones for vm in zone.vms} == vms
    assert set(vms.values()) == {"a", "b"}
    for zone in zones:
        (vm,) = zone.vms
        assert zone.document == await world.do(activities.lookup_document, KEY, vm.instance_id)


async def test_documents_too_large_for_one_payload_are_left_out(world: World) -> None:
    await world.create_active("a", "b")
    await world.register(*(backend(f"i-{number:017x}") for number in range(300)))

    zones = await world.do(activities.lookup_zones, KEY)

    assert [zone.document for zone in zones] == [None, None]
    assert {vm.instance_id for zone in zones for vm in zone.vms} == {vm.instance_id for vm in (await world.lb()).vms}


async def test_a_document_that_no_payload_can_carry_is_announced_and_given_in_parts(world: World) -> None:
    await world.create_active("a")
    rng = random.Random(1)
    await world.register(*(backend(f"i-{rng.getrandbits(160):040x}") for _ in range(1000)))
    vm = await vm_of(world)

    parcel = await world.do(activities.lookup_document, KEY, vm.instance_id)

    assembly = transport.Assembly()
    for index in range(parcel.parts):
        whole = assembly.add(await world.do(activities.lookup_document_part, KEY, vm.instance_id, parcel, index))
    assert whole == documents.of_zone(await world.lb(), "a")
    assert parcel.parts > 1
    assert await world.do(activities.lookup_document_part, KEY, "i-elsewhere", parcel, 0) is None
    await world.register(backend("i-1"))
    assert await world.do(activities.lookup_document_part, KEY, vm.instance_id, parcel, 0) is None


async def test_a_proof_is_kept_and_never_replaced_by_an_older_one(world: World) -> None:
    await world.create_active("a")
    vm = await vm_of(world)
    problem = document.ListenerProblem(443, "certificate expired")

    await world.do(activities.record_applied, KEY, vm.instance_id, document.Applied(5, "five", (problem,)))
    await world.do(activities.record_applied, KEY, vm.instance_id, document.Applied(4, "four"))

    vm = await vm_of(world)
    assert (vm.applied_generation, vm.applied_hash, vm.problems) == (5, "five", (problem,))
    assert vm.reported_at == world.clock.now()
    assert (await world.lb()).applied_generation == 5


async def test_a_vm_is_asked_for_the_health_of_instances_it_may_know_already(world: World) -> None:
    await world.create_active("a")
    await world.register(backend("i-1"))
    await world.start_continuous()
    vm = await vm_of(world)

    await world.do(activities.record_applied, KEY, vm.instance_id, document.Applied(5, "five"))
    await world.do(activities.record_applied, KEY, vm.instance_id, document.Applied(5, "five"))

    assert await world.signals(names.instance_status_workflow_id(KEY)) == [None]


async def test_a_proof_of_an_unknown_vm_changes_nothing(world: World) -> None:
    await world.create_active("a")
    before = world.dump()
    await world.do(activities.record_applied, KEY, "i-unknown", document.Applied(5, "five"))
    assert world.dump() == before


async def test_each_failure_counts_once_and_opens_a_window(world: World) -> None:
    await world.create_active("a")
    vm = await vm_of(world)
    for failed_at in (100.0, 100.0, 160.0, 130.0):
        await world.do(activities.record_vm_failure, KEY, vm.instance_id, "timed out", failed_at)
    vm = await vm_of(world)
    assert (vm.failures, vm.failure_window_at, vm.failed_at) == (2, 100.0, 160.0)


# --- metrics -----------------------------------------------------------------------------------------------------


def counters(**values: float) -> document.MetricsReport:
    return document.MetricsReport(7, 60.0, tuple(values.items()))


def balancer(*backends: store.Backend) -> store.LoadBalancer:
    return store.LoadBalancer(
        id=1,
        zones=(store.Zone("a", store.ZoneState.IN_SERVICE),),
        key=KEY,
        dns_name="web",
        scheme="internet-facing",
        state=store.LoadBalancerState.ACTIVE,
        generation=1,
        created_at=0.0,
        backends=backends,
    )


def test_counters_become_statistic_sets() -> None:
    report = counters(Latency=500.0, RequestCount=10.0, HTTPCode_Backend_2XX=9.0, HTTPCode_ELB_5XX=1.0, Other=3.0)
    data = measurements.traffic(balancer(), "a", report, at=60.0)
    whole = [datum for datum in data if len(datum.dimensions) == 2]
    assert whole == [
        base.Datum("Latency", whole[0].dimensions, "Seconds", 60.0, 1.0, 0.05, 0.05, 0.05),
        base.Datum("RequestCount", whole[0].dimensions, "Count", 60.0, 10.0, 10.0, 1.0, 1.0),
        base.Datum("HTTPCode_ELB_5XX", whole[0].dimensions, "Count", 60.0, 1.0, 1.0, 1.0, 1.0),
        base.Datum("HTTPCode_Backend_2XX", whole[0].dimensions, "Count", 60.0, 9.0, 9.0, 1.0, 1.0),
    ]
    assert {datum.dimensions for datum in data} == {
        (("LoadBalancerName", "web"), ("AvailabilityZone", "a")),
        (("AvailabilityZone", "a"),),
        (("LoadBalancerName", "web"),),
        (),
    }
    assert len(data) == 16


def test_latencies_and_queues_become_statistic_sets_with_their_extremes() -> None:
    report = counters(
        Latency=1500.0,
        LatencyCount=10.0,
        LatencyMin=100.0,
        LatencyMax=400.0,
        RequestCount=10.0,
        BackendConnectionErrors=2.0,
        SpilloverCount=3.0,
        SurgeQueueLength=7.0,
        SurgeQueueLengthSum=9.0,
        SurgeQueueLengthCount=2.0,
    )
    data = {
        datum.metric: (datum.unit, datum.sample_count, datum.total, datum.minimum, datum.maximum)
        for datum in measurements.traffic(balancer(), "a", report, at=60.0)
    }
    assert data == {
        "Latency": ("Seconds", 10.0, 1.5, 0.1, 0.4),
        "RequestCount": ("Count", 10.0, 10.0, 1.0, 1.0),
        "BackendConnectionErrors": ("Count", 2.0, 2.0, 1.0, 1.0),
        "SpilloverCount": ("Count", 3.0, 3.0, 1.0, 1.0),
        "SurgeQueueLength": ("Count", 2.0, 9.0, 0.0, 7.0),
    }


def test_statistic_sets_are_consistent_whatever_was_sampled() -> None:
    (latency, *_) = measurements.traffic(
        balancer(), "a", counters(Latency=90.0, LatencyCount=3.0, LatencyMin=40.0, LatencyMax=50.0), at=60.0
    )
    assert (latency.minimum, latency.maximum) == (0.03, 0.05)
    (surge, *_) = measurements.traffic(balancer(), "a", counters(SurgeQueueLength=5.0), at=60.0)
    assert (surge.sample_count, surge.total, surge.maximum) == (1.0, 5.0, 5.0)


def test_host_counts_are_of_the_zone_and_only_of_decided_hosts() -> None:
    up, error = store.BackendState.IN_SERVICE, store.BackendState.ERROR
    lb = balancer(
        backend("i-1", "a", up), backend("i-2", "b"), backend("10.0.0.9", None, up), backend("i-3", "a", error)
    )
    data = measurements.hosts(lb, at=60.0)
    assert {(datum.metric, datum.total, datum.sample_count) for datum in data} == {
        ("HealthyHostCount", 2.0, 1.0),
        ("UnHealthyHostCount", 0.0, 1.0),
    }
    assert {datum.dimensions for datum in data} == {
        (("LoadBalancerName", "web"), ("AvailabilityZone", "a")),
        (("AvailabilityZone", "a"),),
        (("LoadBalancerName", "web"),),
        (),
    }
    assert measurements.hosts(balancer(backend("i-3", "a", error)), at=60.0) == ()


def test_nothing_is_published_of_nothing() -> None:
    assert measurements.traffic(balancer(), "a", counters(RequestCount=0.0, Latency=0.0), at=60.0) == ()


async def test_the_health_of_all_instances_is_published_without_asking_a_vm(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_AT_ONCE", 1)  # the first load balancer's data do not wait for the second's
    other = document.LoadBalancerKey("000000000002", "web")
    for key in (KEY, other):
        await world.create_active("a", key=key)
        await world.register(backend("10.0.0.9"), key=key)

    await world.do(activities.put_cloudwatch_instance_health)

    for account in (KEY.account, other.account):
        async with world.env.db.reading() as tx:
            points = await tx.datapoints.of_account(account, since=0.0)
        assert {(point.metric, point.total) for point in points} == {
            ("HealthyHostCount", 0.0),
            ("UnHealthyHostCount", 1.0),
        }
        assert len(points) == 8


async def test_a_report_is_published_once_in_the_owners_account(world: World) -> None:
    await world.create_active("a")
    await world.clock.advance(60)
    vm = await vm_of(world)
    report = activities.VmMetrics(vm.instance_id, counters(RequestCount=4.0))

    for _ in range(2):
        await world.do(activities.put_cloudwatch_metrics, KEY, (report,))
    another = replace(report, report=replace(report.report, sequence=8))
    await world.do(activities.put_cloudwatch_metrics, KEY, (another,))

    async with world.env.db.reading() as tx:
        points = await tx.datapoints.of_account(KEY.account, since=0.0)
        assert await tx.datapoints.of_account("000000000002", since=0.0) == []
    assert len(points) == 8
    assert {(point.namespace, point.metric, point.total, point.at) for point in points} == {
        ("AWS/ELB", "RequestCount", 4.0, world.clock.now())
    }
    vm = await vm_of(world)
    assert (vm.metrics_sequence, vm.reported_at) == (8, world.clock.now())
    assert await world.do(activities.lookup_vms, KEY) == (activities.ServingVm(vm.instance_id, 8),)


async def test_data_older_than_a_day_is_forgotten(world: World) -> None:
    await world.create_active("a")
    vm = await vm_of(world)
    for sequence in (1, 2):
        report = document.MetricsReport(sequence, 60.0, (("RequestCount", 1.0),))
        await world.do(activities.put_cloudwatch_metrics, KEY, (activities.VmMetrics(vm.instance_id, report),))
        await world.clock.advance(24 * 3600 + 1)
    async with world.env.db.reading() as tx:
        assert len(await tx.datapoints.of_account(KEY.account, since=0.0)) == 4


async def test_a_vm_counts_as_heard_even_when_publishing_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.create_active("a")
    vm = await vm_of(world)

    async def unavailable(*_: object) -> None:
        raise base.CloudUnavailable("no CloudWatch")

    monkeypatch.setattr(type(world.env.cloud), "put_vm_metrics", unavailable)
    report = activities.VmMetrics(vm.instance_id, counters(RequestCount=4.0))
    with pytest.raises(base.CloudUnavailable):
        await world.do(activities.put_cloudwatch_metrics, KEY, (report,))

    vm = await vm_of(world)
    assert (vm.reported_at, vm.metrics_sequence) == (world.clock.now(), None)


def test_conditions_are_told_apart() -> None:
    rows = [
        backend("i", state=one.state, reason_code=one.reason_code, description=one.description)
        for one in vars(conditions).values()
        if isinstance(one, conditions.Condition)
    ]
    assert len(rows) == 7
    assert [conditions.is_unreachable(row) for row in rows].count(True) == 1
