"""Optional headers of polls (spec/swf-long-poll-scale 6.12)."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest
from tests.integration.engine import rig

from elbflow_engine import embedded
from elbflow_engine.wire import hints

POLL = {"domain": rig.DOMAIN, "taskList": rig.LIST}


async def test_a_client_may_shorten_the_hold_but_not_prolong_it(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "SHORTEST_HOLD_S", 0.5)
    async with embedded.engine(hold_s=1) as url:
        wire = rig.Wire(session, url)
        await wire.prepare()
        began = time.monotonic()
        took = {}

        async def poll(wish: str) -> None:
            answer = await wire.send("PollForDecisionTask", POLL, x_swf_max_hold=wish)
            assert answer.body == b'{"previousStartedEventId":0,"startedEventId":0}'
            took[wish] = time.monotonic() - began

        await asyncio.gather(*(poll(wish) for wish in ("0", "58", "soon")))
    assert 0.5 <= took["0"] < took["58"]
    assert min(took["58"], took["soon"]) >= 0.9


async def test_polls_are_told_what_is_left_and_whether_more_of_them_would_be_good(wire: rig.Wire) -> None:
    await wire.prepare()
    for number in range(3):
        await wire.start(f"w{number}")
    await asyncio.sleep(0.25)
    answers = [await wire.send("PollForDecisionTask", POLL) for _ in range(3)]
    assert [answer.headers["x-swf-backlog"].split(";")[0] for answer in answers] == ["2", "1", "0"]
    assert [answer.headers["x-swf-scale"] for answer in answers] == ["+1", "+1", "0"]
    assert int(answers[0].headers["x-swf-backlog"].partition("age=")[2]) >= 250
    idle = asyncio.create_task(wire.send("PollForDecisionTask", POLL))
    await asyncio.sleep(1.1)
    await wire.start("late")
    headers = (await idle).headers
    assert (headers["x-swf-backlog"], headers["x-swf-scale"]) == ("0;age=0", "-1")


async def test_the_hints_of_one_list_are_rare_and_other_calls_have_none(wire: rig.Wire) -> None:
    await wire.prepare()
    for number in range(40):
        await wire.start(f"w{number}")
    began = time.monotonic()
    answers = [await wire.send("PollForDecisionTask", POLL) for _ in range(40)]
    seconds_touched = int(time.monotonic() - began) + 2
    assert sum("x-swf-scale" in answer.headers for answer in answers) <= hints.HINTS_PER_S * seconds_touched
    assert all("x-swf-backlog" in answer.headers for answer in answers)
    listing = await wire.send("ListDomains", {"registrationStatus": "REGISTERED"})
    assert not {"x-swf-backlog", "x-swf-scale"} & set(listing.headers)
