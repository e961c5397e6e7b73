"""Closed executions live in the journal: whoever asks for one has to read (spec/swf-semantics 3.5, 6.3, 10)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import orjson

from elbflow_engine.core import api, faults, queries
from elbflow_engine.core.model import Header, Settings
from elbflow_engine.core.queries import Closed

_COLUMNS = frozenset(field.name for field in dataclasses.fields(Closed)) | {"id"}
_DETAILS = tuple(field.name for field in dataclasses.fields(Header) if field.name not in _COLUMNS)


class Elsewhere(Exception):
    """A command met an execution that is not in memory: its answer is what ``read`` brings. Nothing was changed."""

    def __init__(self, read: api.Read[Any]) -> None:
        super().__init__("the execution is not in memory")
        self.read = read


def to_row(header: Header, purge_ms: int) -> Closed:
    """The form in which a closed execution is kept."""
    assert header.close_ms is not None
    assert header.close_status is not None
    return Closed(
        execution_id=header.id,
        account=header.account,
        domain=header.domain,
        workflow_id=header.workflow_id,
        run_id=header.run_id,
        workflow_type=header.workflow_type,
        start_ms=header.start_ms,
        close_ms=header.close_ms,
        close_status=header.close_status,
        tags=None if header.tags is None else tuple(header.tags),
        events=header.events,
        purge_ms=purge_ms,
        details=orjson.dumps({name: getattr(header, name) for name in _DETAILS}),
    )


def from_row(row: Closed) -> Header:
    """The header of a closed execution."""
    details: dict[str, Any] = orjson.loads(row.details)
    parent = details["parent"] and tuple(details["parent"])
    return Header(
        **details | {"settings": Settings(**details["settings"]), "parent": parent},
        id=row.execution_id,
        account=row.account,
        domain=row.domain,
        workflow_id=row.workflow_id,
        run_id=row.run_id,
        workflow_type=row.workflow_type,
        tags=None if row.tags is None else list(row.tags),
        start_ms=row.start_ms,
        close_status=row.close_status,
        close_ms=row.close_ms,
        events=row.events,
    )


def by_name(query: queries.ClosedRun, answer: Callable[[Header], api.Answer]) -> api.Read[Closed | None]:
    """Answer with the closed execution of this name; raises UnknownResourceFault when there is none."""

    def resume(row: Closed | None) -> api.Answer:
        if row is None:
            raise faults.unknown_execution(query.workflow_id, query.run_id)
        return answer(from_row(row))

    return api.Read(query, resume)


def by_id(
    execution_id: int, account: str, now_ms: int, answer: Callable[[Header], api.Answer]
) -> api.Read[Closed | None]:
    """Answer with the closed execution a token of ``account`` stands for; raises UnknownResourceFault."""

    def resume(row: Closed | None) -> api.Answer:
        if row is None or row.account != account:
            raise faults.forgotten_execution()
        return answer(from_row(row))

    return api.Read(queries.ClosedById(execution_id, now_ms), resume)


def too_late(execution_id: int, account: str, now_ms: int) -> Elsewhere:
    """What to raise for a task token whose execution is not open: who holds it is told which execution that was, as
    long as that is known (3.5: 2).
    """

    def refuse(header: Header) -> api.Answer:
        raise faults.unknown_execution(*header.run)

    return Elsewhere(by_id(execution_id, account, now_ms, refuse))
