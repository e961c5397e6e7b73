"""From parameters to an answer: which operation is meant, is it served, what does it say."""

from __future__ import annotations

from collections.abc import Sequence

from elbflow import service
from elbflow_api import query
from elbflow_api.actions import ACTIONS
from elbflow_api.dependencies import Call, Dependencies

_ACTION_PARAMETERS = ("Action", "Operation")
_VERSION = "2012-06-01"


def action_name(pairs: Sequence[tuple[str, str]]) -> str | None:
    """The operation that the request names (spec/elb-control-plane 1.1), known or not."""
    for parameter in _ACTION_PARAMETERS:
        for name, value in pairs:
            if name == parameter:
                return value
    return None


def operation(pairs: Sequence[tuple[str, str]]) -> query.Operation:
    """The operation meant; raises ``MissingAction`` and ``InvalidAction``."""
    name = action_name(pairs)
    if not name:
        raise query.Fault("MissingAction", "The request must contain the parameter Action")
    found = query.find_operation(name)
    if found is None:
        version = next((value for parameter, value in pairs if parameter == "Version"), _VERSION)
        raise query.Fault("InvalidAction", f"Could not find operation {name} for version {version}")
    return found


async def answer(
    operation: query.Operation,
    pairs: Sequence[tuple[str, str]],
    caller: service.Identity,
    room: Dependencies,
) -> query.Response:
    """Carry out the operation. Raises the fault to answer with."""
    action = ACTIONS.get(operation.name)
    if action is None:
        raise query.Fault("UnsupportedOperation", f"The operation {operation.name} is not supported by this service")
    params = query.parse(operation, pairs)
    deadline = room.clock.monotonic() + room.settings.workflow_wait_s
    return await action(Call(params, caller, deadline), room)
