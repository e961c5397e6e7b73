"""Hints over real HTTP: the header goes only to who announced that it is understood, signed, on both client paths."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web
from tests.integration.swf.responder import CONTENT_TYPE, Answer, Connect, Responder, ok

from elbflow import swf
from elbflow_engine import embedded

LISTS = [swf.TaskList(kind, "domain", "list") for kind in swf.TaskKind]
TOLD = {"x-swf-capabilities": "safe-abort, hold-hint, backlog", "x-swf-backlog": "7;age=1500", "x-swf-scale": "+1"}
EMPTY = {"startedEventId": 0, "previousStartedEventId": 0}
both_paths = pytest.mark.parametrize("fast_path", [True, False])


def telling(**headers: str) -> Answer:
    async def answer(_: dict[str, Any], __: web.Request) -> web.Response:
        return web.Response(body=json.dumps(EMPTY).encode(), content_type=CONTENT_TYPE, headers=headers)

    return answer


async def poll(client: swf.Client, task_list: swf.TaskList, hold_s: float | None = None) -> swf.Hints:
    hints = swf.Hints()
    if task_list.kind is swf.TaskKind.DECISION:
        assert await client.poll_for_decision_task(task_list, identity="me", hold_s=hold_s, hints=hints) is None
    else:
        assert await client.poll_for_activity_task(task_list, identity="me", hold_s=hold_s, hints=hints) is None
    return hints


def asked(responder: Responder) -> list[str | None]:
    folded = [{name.lower(): value for name, value in headers.items()} for headers in responder.headers]
    return [headers.get("x-swf-max-hold") for headers in folded]


@both_paths
@pytest.mark.parametrize("task_list", LISTS, ids=lambda made: made.kind.value)
async def test_an_endpoint_is_asked_once_it_has_announced_that_it_can_be(
    connect: Connect, responder: Responder, task_list: swf.TaskList, fast_path: bool
) -> None:
    operation = "PollForDecisionTask" if task_list.kind is swf.TaskKind.DECISION else "PollForActivityTask"
    responder.on(operation, telling(**TOLD), telling(**TOLD), telling(), telling())
    async with connect(fast_path=fast_path) as client:
        first = await poll(client, task_list, hold_s=11.6)
        second = await poll(client, task_list, hold_s=11.6)
        third = await poll(client, task_list, hold_s=11.6)
        fourth = await poll(client, task_list, hold_s=11.6)
    assert asked(responder) == [None, "12", "12", None]
    assert [made.asked_s for made in (first, second, third, fourth)] == [None, 12, 12, None]
    assert (first.backlog, first.oldest_s, first.scale) == (7, 1.5, 1)
    assert (fourth.backlog, fourth.oldest_s, fourth.scale, fourth.capabilities) == (None, None, 0, frozenset())


@both_paths
async def test_nothing_is_asked_without_a_wish_nor_with_a_short_call(
    connect: Connect, responder: Responder, fast_path: bool
) -> None:
    responder.on("PollForActivityTask", telling(**TOLD))
    responder.on("CountPendingActivityTasks", ok({"count": 1}))
    async with connect(fast_path=fast_path) as client:
        for hold_s in (None, None, 9.0):
            await poll(client, LISTS[-1], hold_s)
        await client.count_pending_tasks(LISTS[-1])
    assert asked(responder) == [None, None, "9", None]


@both_paths
async def test_malformed_hints_are_ignored(connect: Connect, responder: Responder, fast_path: bool) -> None:
    responder.on(
        "PollForActivityTask",
        telling(**{"x-swf-backlog": "many;age=old", "x-swf-scale": "plenty", "x-swf-capabilities": ",,"}),
    )
    async with connect(fast_path=fast_path) as client:
        assert await poll(client, LISTS[-1], hold_s=5.0) == swf.Hints()


async def test_the_real_engine_verifies_the_signed_wish_and_heeds_it() -> None:
    async with embedded.engine(hold_s=30.0) as url, AsyncExitStack() as stack:
        settings = [swf.ClientSettings(endpoint_url=url, fast_path=fast_path) for fast_path in (True, False)]
        clients = [await stack.enter_async_context(swf.Client.open(made)) for made in settings]
        for number, client in enumerate(clients):
            await client.register_domain(f"domain-{number}", retention_days=1)
        lists = [swf.TaskList(swf.TaskKind.ACTIVITY, f"domain-{number}", "list") for number in range(2)]
        told = await asyncio.gather(*(poll(client, made, 1.0) for client, made in zip(clients, lists, strict=True)))
    for hints in told:
        assert hints.asked_s == 5
        assert swf.HOLD_HINT in hints.capabilities
        assert (hints.backlog, hints.scale) == (0, -1)
