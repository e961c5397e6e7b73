"""Requests as a client of aiobotocore would make them, from the same model and settings, but made once.

Of what botocore does for every call, only looking at the members and writing them down depends on the call. The rest,
a sixth of a stock call, is asked of the client once (spec/perf-baselines 1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from botocore import model as shapes
from botocore.exceptions import ParamValidationError
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator

from elbflow.swf.fast import fitting

_ASKED = {"registrationStatus": "REGISTERED"}
_WRITTEN_AS_THEY_ARE = frozenset({"string", "integer", "long", "boolean"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What requests of one client have in common."""

    url: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Operation:
    """What calls of one operation have in common. ``is_plain``: its members go over the wire as they are.

    ``surely_fit`` is true for members that need no closer look.
    """

    model: shapes.OperationModel
    method: str
    headers: Mapping[str, str]
    is_plain: bool
    surely_fit: fitting.Look


@dataclass(frozen=True, slots=True)
class _Answered:
    status_code: int = 200


async def endpoint_of(client: Any) -> Endpoint:
    """Where ``client`` sends its calls, and under which name. Sends nothing.

    The client is let make one call, which its own ``before-call`` event answers, as botocore's Stubber does it. So
    endpoint rules and configuration are botocore's; SWF's rules are the same for all operations.
    """
    made: dict[str, Any] = {}

    def answer(params: dict[str, Any], **_: Any) -> tuple[_Answered, dict[str, Any]]:
        made.update(params)
        return _Answered(), {}

    event = f"before-call.{client.meta.service_model.service_id.hyphenize()}"
    client.meta.events.register_last(event, answer)
    try:
        await client.list_domains(**_ASKED)
    finally:
        client.meta.events.unregister(event, answer)
    return Endpoint(made["url"], made["headers"]["User-Agent"])


class Requests:
    """Makes requests of one client; ``validates``: it looks whether members fit before it sends them."""

    def __init__(self, service: shapes.ServiceModel, endpoint: Endpoint, *, validates: bool) -> None:
        self._service = service
        self._endpoint = endpoint
        self._validator = ParamValidator() if validates else None
        self._serializer = create_serializer(service.metadata["protocol"], False)
        self._operations: dict[str, Operation] = {}

    @property
    def url(self) -> str:
        return self._endpoint.url

    def operation(self, name: str) -> Operation:
        """By SWF's name. ``OperationNotFoundError`` for one that SWF does not have."""
        found = self._operations.get(name)
        if found is None:
            found = self._operations[name] = self._made(name)
        return found

    def body(self, operation: Operation, members: Mapping[str, Any]) -> bytes:
        """``members`` as the request's body. ``ParamValidationError`` when they do not fit and the client looks."""
        shape = operation.model.input_shape
        if self._validator is not None and shape is not None and not operation.surely_fit(members):
            report = self._validator.validate(members, shape)
            if report.has_errors():
                raise ParamValidationError(report=report.generate_report())
        if operation.is_plain:
            return _json(members)
        written: bytes = self._serializer.serialize_to_request(members, operation.model)["body"]
        return written

    def _made(self, name: str) -> Operation:
        model = self._service.operation_model(name)
        empty = self._serializer.serialize_to_request({}, model)
        headers = empty["headers"] | {"User-Agent": self._endpoint.user_agent}
        shape = model.input_shape
        return Operation(model, empty["method"], headers, _is_plain(shape), fitting.look(shape))


def _json(members: Mapping[str, Any]) -> bytes:
    """In a tenth of the time that ``json`` takes, which knows what orjson refuses: half a surrogate, huge numbers."""
    try:
        return orjson.dumps(members)
    except TypeError:
        return json.dumps(members).encode()


def _is_plain(shape: shapes.Shape | None, inside: frozenset[str] = frozenset()) -> bool:
    """Whether botocore's serializer would change nothing of a value of ``shape``: no other names, no timestamps."""
    if shape is None or shape.name in inside:
        return True
    inside |= {shape.name}
    if isinstance(shape, shapes.StructureShape):
        members = shape.members.values()
        return not any(member.serialization for member in members) and all(_is_plain(one, inside) for one in members)
    if isinstance(shape, shapes.ListShape):
        return _is_plain(shape.member, inside)
    if isinstance(shape, shapes.MapShape):
        return _is_plain(shape.value, inside)
    return shape.type_name in _WRITTEN_AS_THEY_ARE
