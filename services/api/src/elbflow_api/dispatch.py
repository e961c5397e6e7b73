"""From parameters to an answer: which operation is meant, is it served, what does it say."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from elbflow import service
from elbflow_api import authorisation, query
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


def named_operation(pairs: Sequence[tuple[str, str]], known: Collection[str], version: str) -> str:
    """The operation that the request names, one of ``known``; raises ``MissingAction`` and ``InvalidAction``."""
    name = action_name(pairs)
    if not name:
        raise query.Fault("MissingAction", "The request must contain the parameter Action")
    if name not in known:
        version = next((value for parameter, value in pairs if parameter == "Version"), version)
        raise query.Fault("InvalidAction", f"Could not find operation {name} for version {version}")
    return name


def served_operation(
    pairs: Sequence[tuple[str, str]], service_name: str, served: Collection[str], version: str
) -> query.Operation:
    """The operation meant, of a service of which not all are served; raises ``UnsupportedOperation`` too."""
    name = named_operation(pairs, query.operation_names(service_name), version)
    found = query.find_operation(name, service_name) if name in served else None
    if found is None:
        raise query.Fault("UnsupportedOperation", f"The operation {name} is not supported by this service")
    return found


def operation(pairs: Sequence[tuple[str, str]]) -> query.Operation:
    """The operation meant; raises ``MissingAction`` and ``InvalidAction``."""
    return query.operations()[named_operation(pairs, query.operations(), _VERSION)]


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
    return await action(await authorisation.admit(operation.name, Call(params, caller, deadline), room), room)
