"""From parameters to STS's answer."""

from __future__ import annotations

from collections.abc import Sequence

from elbflow import service
from elbflow_api import dispatch, grants, query, server
from elbflow_api.dependencies import Dependencies
from elbflow_api.sts.actions import ACTIONS, Desk

SERVICE = "sts"

_VERSION = "2011-06-15"
_PATHS = ("/", "/services/Tokens")
_LARGEST_BODY = 256 * 1024


def open_front() -> server.Front:
    """What the STS endpoint serves. Blocks: it reads the model."""
    return server.Front(query.namespace(query.STS), _PATHS, _LARGEST_BODY, _operation, _answer)


def _operation(pairs: Sequence[tuple[str, str]]) -> query.Operation:
    return dispatch.served_operation(pairs, query.STS, ACTIONS, _VERSION)


async def _answer(
    operation: query.Operation, pairs: Sequence[tuple[str, str]], caller: service.Identity, room: Dependencies
) -> query.Response:
    params = query.parse(operation, pairs)
    return await ACTIONS[operation.name](Desk(params, caller, await grants.of(caller, room.db), room))
