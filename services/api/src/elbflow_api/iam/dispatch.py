"""From parameters to IAM's answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from elbflow import service
from elbflow_api import dispatch, grants, query, server
from elbflow_api.dependencies import Dependencies
from elbflow_api.iam import master_key, sealing
from elbflow_api.iam.actions import ACTIONS
from elbflow_api.iam.desk import Desk

LARGEST_BODY = 3 * 1024 * 1024
"""A chain may have 2 MiB."""

_VERSION = "2010-05-08"
_PATHS = ("/", "/services/Euare")


def open_front(master_key_path: Path) -> server.Front:
    """What the IAM endpoint serves, with the master key in that file, which is made when missing. Blocks.

    Raises :class:`master_key.UnusableMasterKey`.
    """
    for name in ACTIONS:
        query.find_operation(name, query.IAM)  # reads the model, which takes a while
    return front(master_key.load_or_create(master_key_path))


def front(vault: sealing.Vault) -> server.Front:
    """What the IAM endpoint serves; private keys are sealed in ``vault``."""

    async def answer(
        operation: query.Operation, pairs: Sequence[tuple[str, str]], caller: service.Identity, room: Dependencies
    ) -> query.Response:
        params = query.parse(operation, pairs)
        return await ACTIONS[operation.name](Desk(params, caller, await grants.of(caller, room.db), room, vault))

    return server.Front(query.namespace(query.IAM), _PATHS, LARGEST_BODY, _operation, answer)


def _operation(pairs: Sequence[tuple[str, str]]) -> query.Operation:
    return dispatch.served_operation(pairs, query.IAM, ACTIONS, _VERSION)
