"""What operators see of thousands of lanes: totals, pages, filters, three forms."""

from __future__ import annotations

import json

import pytest
from tests.unit.polling.conftest import World

from elbflow import swf
from elbflow.polling import Scheduler, Waiting
from elbflow.polling.debug import DEFAULT_LIMIT, LaneQuery
from elbflow.polling.page import page_of, render
from elbflow.polling.testing import Reply


async def ignore(_: swf.ActivityTask) -> None:
    return


def add(scheduler: Scheduler, number: int, *, lane_class: str = "vm", tenant: str = "elb") -> None:
    task_list = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", f"i-{number:05}")
    scheduler.add_lane(task_list, ignore, slots=2, max_polls=1, lane_class=lane_class, tenant=tenant)


async def test_the_page_explains_every_lane(world: World) -> None:
    async with world.running(world.build(budget=2)) as scheduler:
        for number in range(3):
            add(scheduler, number)
        await world.clock.advance(5.0)
        seen = json.loads(await page_of(scheduler)({}, "json"))
        assert seen["scheduler"]["budget_used"] == seen["scheduler"]["budget_limit"] == 2
        assert seen["scheduler"]["endpoint_open"] is True
        assert [(one["tenant"], one["used"]) for one in seen["scheduler"]["tenants"]] == [("elb", 2)]
        assert {one["kind"] for one in seen["scheduler"]["governors"]} == {"decision", "activity"}
        assert len(seen["lanes"]) == seen["matching"] == 3
        waiting = {lane["task_list"]["name"]: lane["waiting"] for lane in seen["lanes"]}
        assert sorted(waiting) == ["i-00000", "i-00001", "i-00002"]
        (unpolled,) = [lane for lane in seen["lanes"] if lane["parked"] == 0]
        assert unpolled["unpolled_s"] == pytest.approx(5.0)
        assert unpolled["waiting"] != Waiting.NOTHING
        (totals,) = seen["classes"]
        assert (totals["lane_class"], totals["lanes"], totals["parked"], totals["slots"]) == ("vm", 3, 2, 6)
        assert totals["unpolled_s"] == pytest.approx(5.0)


async def test_thousands_of_lanes_come_in_pages(world: World) -> None:
    async with world.running(world.build(budget=300)) as scheduler:
        for number in range(250):
            add(scheduler, number)
        await world.clock.advance(5.0)
        query: str | None = "?"
        names: list[str] = []
        pages = 0
        while query is not None:
            given = dict(pair.split("=") for pair in query[1:].split("&") if pair)
            view = await scheduler.look(LaneQuery.parse(given))
            names += [lane.task_list.name for lane in view.lanes]
            query = view.next
            pages += 1
        assert pages == 3
        assert names == [f"i-{number:05}" for number in range(250)]
        assert len((await scheduler.look(LaneQuery())).lanes) == DEFAULT_LIMIT


async def test_filters(world: World) -> None:
    async with world.running(world.build(budget=20)) as scheduler:
        for number in range(6):
            add(scheduler, number, lane_class="vm" if number else "service", tenant="cfn" if number == 5 else "elb")
        await world.clock.advance(5.0)

        async def found(**query: str) -> list[int]:
            view = await scheduler.look(LaneQuery.parse(query))
            return [int(lane.task_list.name[2:]) for lane in view.lanes]

        assert await found(**{"class": "service"}) == [0]
        assert await found(tenant="cfn") == [5]
        assert await found(domain="elsewhere") == []
        assert await found(kind="decision") == []
        assert await found(list="0003") == [3]
        assert await found(waiting="at its target") == [0, 1, 2, 3, 4, 5]
        assert await found(waiting="no such reason") == []
        assert await found(sort="polls", limit="1") == [0]
        assert await found(limit="2", offset="4") == [4, 5]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"colour": "red"}, "unknown: colour"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"sort": "name"}, "sort must be"),
    ],
)
def test_a_wrong_query_is_explained(query: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        LaneQuery.parse(query)


async def test_people_get_tables_and_names_are_escaped(world: World) -> None:
    world.reply = Reply(1.0)
    async with world.running(world.build(budget=4)) as scheduler:
        task_list = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", "<b>list</b>")
        scheduler.add_lane(task_list, ignore, slots=1)
        await world.clock.advance(3.0)
        view = await scheduler.look(LaneQuery())
        page, text = render(view, "html"), render(view, "text")
        assert "&lt;b&gt;list&lt;/b&gt;" in page
        assert "<b>" not in page
        assert "Why no further poll" in page
        assert "<b>list</b>" in text
        assert "early" in text
        assert all(len(line) < 400 for line in text.splitlines())
