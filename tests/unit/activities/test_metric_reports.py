"""A VM's report is published once, whatever dies and whoever else publishes."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.activities.world import KEY, World

from elbflow.contract import activities, document
from elbflow.store import datapoints


async def given(world: World, sequence: int, count: float, since: int | None) -> tuple[int, ...] | None:
    """Publish a report of the world's VM."""
    (vm,) = (await world.lb()).vms
    report = document.MetricsReport(sequence, 60.0, (("RequestCount", count),), since)
    noted: tuple[int, ...] | None = await world.do(
        activities.put_cloudwatch_metrics, KEY, (activities.VmMetrics(vm.instance_id, report),)
    )
    return noted


async def published(world: World) -> float:
    """All requests that were published under the load balancer's name alone."""
    async with world.env.db.reading() as tx:
        points = await tx.datapoints.of_account(KEY.account, since=0.0)
    return sum(each.total for each in points if each.dimensions == (("LoadBalancerName", KEY.name),))


async def test_a_report_that_several_publish_at_the_same_time_is_published_once(world: World) -> None:
    """SWF gives a task that timed out to somebody else while the first may still be at it."""
    await world.create_active("a")

    noted = await asyncio.gather(*(given(world, 5, 3.0, since=0) for _ in range(4)))

    assert noted == [(5,)] * 4
    assert await published(world) == 3.0


@pytest.mark.parametrize("step", [(datapoints.Datapoints, "add"), (datapoints.Datapoints, "prune")], ids=str)
async def test_dying_while_publishing_neither_loses_nor_doubles_a_report(
    world: World, monkeypatch: pytest.MonkeyPatch, step: tuple[type, str]
) -> None:
    await world.create_active("a")
    where, name = step
    genuine = getattr(where, name)

    async def then_die(*arguments: object) -> None:
        await genuine(*arguments)
        raise SystemError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(where, name, then_die)
        with pytest.raises(SystemError):
            await given(world, 5, 3.0, since=0)
    assert await published(world) == 0.0
    assert await given(world, 5, 3.0, since=0) == (5,)
    assert await published(world) == 3.0


async def test_a_report_that_holds_what_another_run_published_meanwhile_is_dropped(world: World) -> None:
    """A new run asked the VM before the last activity of the old one had published: both reports go on from 0."""
    await world.create_active("a")
    assert await given(world, 10, 100.0, since=0) == (10,)

    assert await given(world, 11, 105.0, since=0) == (10,), "the VM is told what counts, and reports the rest"
    assert await given(world, 12, 5.0, since=10) == (12,)
    assert await given(world, 10, 100.0, since=0) == (12,), "late"

    assert await published(world) == 105.0


async def test_a_vm_of_an_earlier_build_does_not_say_since_when(world: World) -> None:
    await world.create_active("a")
    assert [await given(world, sequence, 1.0, since=None) for sequence in (5, 5, 7, 6)] == [(5,), (5,), (7,), (7,)]
    assert await published(world) == 2.0


def test_a_report_of_an_earlier_build_is_encoded_as_it_was() -> None:
    old = document.MetricsReport(5, 60.0)
    assert "since" not in activities.put_cloudwatch_metrics.encode_arguments(KEY, (activities.VmMetrics("i-1", old),))
