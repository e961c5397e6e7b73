"""The two long polls and the further pages of a decision task's history (spec/swf-semantics 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elbflow.swf import model, parse
from elbflow.swf.hints import Hints
from elbflow.swf.transport import Transport

PAGE_SIZE = 1000


class PollOperations:
    """Long polls on the poll pool, pages on the data pool: a page does not park."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def poll_for_decision_task(
        self,
        task_list: model.TaskList,
        *,
        identity: str,
        start_at_previous: bool = False,
        hold_s: float | None = None,
        hints: Hints | None = None,
    ) -> model.DecisionTask | None:
        members = _poll_members(task_list, identity) | _decision_members(start_at_previous)
        poll, read = self._transport.poll, parse.decision_task
        return await poll("PollForDecisionTask", members, read, hold_s=hold_s, hints=hints)

    async def poll_for_activity_task(
        self, task_list: model.TaskList, *, identity: str, hold_s: float | None = None, hints: Hints | None = None
    ) -> model.ActivityTask | None:
        members = _poll_members(task_list, identity)
        poll, read = self._transport.poll, parse.activity_task
        return await poll("PollForActivityTask", members, read, hold_s=hold_s, hints=hints)

    async def decision_task_page(
        self, task_list: model.TaskList, page_token: str, *, identity: str, start_at_previous: bool = False
    ) -> tuple[Sequence[model.HistoryEvent], str | None]:
        """The page that ``page_token`` names; few are fetched at a time, for each may be several MiB (5.9)."""
        members = _poll_members(task_list, identity) | _decision_members(start_at_previous)
        members["nextPageToken"] = page_token
        async with self._transport.pages:
            return await self._transport.call("PollForDecisionTask", members, parse.history_page)


def _poll_members(task_list: model.TaskList, identity: str) -> dict[str, Any]:
    return {"domain": task_list.domain, "taskList": {"name": task_list.name}, "identity": identity[:256]}


def _decision_members(start_at_previous: bool) -> dict[str, Any]:
    members: dict[str, Any] = {"maximumPageSize": PAGE_SIZE}
    if start_at_previous:  # Endpoints without the feature refuse or ignore the member, so it is sent only when wanted.
        members["startAtPreviousStartedEvent"] = True
    return members
