"""From parameters to IAM's answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from elbflow import service
from elbflow_api import dispatch, grants, query, server
from elbflow_api.dependencies import Dependencies
from elbflow_api.iam import authority, delegation, dialect, download, master_key, operations, sealing
from elbflow_api.iam.actions import ACTIONS
from elbflow_api.iam.desk import Desk

LARGEST_BODY = 3 * 1024 * 1024
"""A chain may have 2 MiB."""

_VERSION = "2010-05-08"
_ACTIONS = {**ACTIONS, **download.ACTIONS}
_PATHS = ("/", "/services/Euare", "/services/Euare/")


def open_front(master_key_path: Path, *, original_answers: bool = False) -> server.Front:
    """What the IAM endpoint serves, with the master key in that file, which is made when missing. Blocks.

    Raises :class:`master_key.UnusableMasterKey`.
    """
    for name in ACTIONS:
        query.find_operation(name, query.IAM)  # reads the model, which takes a while
    return front(master_key.load_or_create(master_key_path), original_answers=original_answers)


def front(vault: sealing.Vault, *, original_answers: bool = False) -> server.Front:
    """What the IAM endpoint serves; private keys are sealed in ``vault``.

    With ``original_answers`` VMs are answered as the original's agents expect it.
    """
    authorities, nonces = authority.Authorities(vault), delegation.Nonces()

    async def answer(
        operation: query.Operation, pairs: Sequence[tuple[str, str]], caller: service.Identity, room: Dependencies
    ) -> query.Response:
        held = await grants.of(caller, room.db)
        desk = Desk(query.parse(operation, pairs), caller, held, room, vault, authorities, nonces)
        return await _ACTIONS[operation.name](desk)

    def render(operation: query.Operation, answer: query.Response, request_id: str) -> bytes:
        if original_answers and operation.name == operations.DOWNLOAD:
            return dialect.original(answer)
        return query.render_result(operation, answer, request_id)

    return server.Front(query.namespace(query.IAM), _PATHS, LARGEST_BODY, _operation, answer, render)


def _operation(pairs: Sequence[tuple[str, str]]) -> query.Operation:
    own = operations.OPERATIONS.get(dispatch.action_name(pairs) or "")
    return own or dispatch.served_operation(pairs, query.IAM, ACTIONS, _VERSION)
