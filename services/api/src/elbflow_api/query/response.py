"""Answers as XML in the service's namespace (spec/elb-control-plane 1.1).

A page of 400 load balancers is 30,000 elements, so nothing is built of them but the text: each shape of the model is
turned into a function that appends to it, once.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from elbflow import errors
from elbflow_api.query import faults, model
from elbflow_api.query.values import Response, Value

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACEMENT = "\ufffd"
_NOT_PLAIN = re.compile("[^\t\n\u0020-%'-;=?-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What cannot stand in a text as it is: what XML 1.0 lacks, its own signs, and carriage returns."""

_DECLARATION = "<?xml version='1.0' encoding='utf-8'?>\n"

Append: TypeAlias = Callable[[str], None]
Writer: TypeAlias = Callable[[Value, Append], None]
"""Appends a value as an element. Raises :class:`errors.Defect` for a value that the shape cannot have."""


def render_result(operation: model.Operation, answer: Response, request_id: str) -> bytes:
    """The answer of a call that succeeded.

    A member that the output shape lacks, or a value of another type, is a :class:`errors.Defect` of the action.
    """
    parts = [_DECLARATION, f'<{operation.name}Response xmlns="{operation.namespace}">']
    _result_writer(operation)({name: value for name, value in answer.items() if value is not None}, parts.append)
    parts.append(f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation.name}Response>")
    return "".join(parts).encode()


def render_fault(fault: faults.Fault, request_id: str, namespace: str = model.NAMESPACE) -> bytes:
    """The answer of a call that failed."""
    kind = "Sender" if fault.sender else "Receiver"
    return (
        f'{_DECLARATION}<ErrorResponse xmlns="{namespace}"><Error><Type>{kind}</Type>'
        f"<Code>{_escaped(fault.code)}</Code><Message>{_escaped(fault.message)}</Message></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()


@functools.cache
def _result_writer(operation: model.Operation) -> Writer:
    if operation.result_wrapper is None:
        return _nothing
    return _structure(operation.result_wrapper, operation.output)


def _nothing(value: Value, append: Append) -> None:
    """Some operations answer with their metadata alone."""
    if value:
        raise errors.Defect("this operation answers nothing")


def _writer(tag: str, shape: model.Shape) -> Writer:
    match shape:
        case model.Structure():
            return _structure(tag, shape)
        case model.List():
            return _list(tag, shape)
        case model.Scalar():
            return _SCALARS[shape.kind](tag)


def _structure(tag: str, shape: model.Structure) -> Writer:
    start, end = f"<{tag}>", f"</{tag}>"
    members = [(name, _writer(name, member.shape)) for name, member in shape.members.items()]
    names = frozenset(shape.members)

    def write(value: Value, append: Append) -> None:
        if not isinstance(value, dict | Mapping):  # a test for Mapping alone takes longer than all else here
            raise _wrong(tag, value)
        if not value.keys() <= names:
            raise errors.Defect(f"{tag} has no members {sorted(value.keys() - names)}")
        append(start)
        for name, write_member in members:
            member = value.get(name)
            if member is not None:
                write_member(member, append)
        append(end)

    return write


def _list(tag: str, shape: model.List) -> Writer:
    start, end = f"<{tag}>", f"</{tag}>"
    write_item = _writer(shape.item_name, shape.item)

    def write(value: Value, append: Append) -> None:
        if isinstance(value, str) or not isinstance(value, list | tuple | Sequence):
            raise _wrong(tag, value)
        append(start)
        for item in value:
            write_item(item, append)
        append(end)

    return write


def _string(tag: str) -> Writer:
    def write(value: Value, append: Append) -> None:
        if not isinstance(value, str):
            raise _wrong(tag, value)
        append(f"<{tag}>{value if _NOT_PLAIN.search(value) is None else _escaped(value)}</{tag}>")

    return write


def _integer(tag: str) -> Writer:
    def write(value: Value, append: Append) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise _wrong(tag, value)
        append(f"<{tag}>{value}</{tag}>")

    return write


def _boolean(tag: str) -> Writer:
    def write(value: Value, append: Append) -> None:
        if not isinstance(value, bool):
            raise _wrong(tag, value)
        append(f"<{tag}>{'true' if value else 'false'}</{tag}>")

    return write


def _timestamp(tag: str) -> Writer:
    def write(value: Value, append: Append) -> None:
        if not isinstance(value, datetime):
            raise _wrong(tag, value)
        text = value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        append(f"<{tag}>{text}</{tag}>")

    return write


_SCALARS: Mapping[model.Kind, Callable[[str], Writer]] = {
    model.Kind.STRING: _string,
    model.Kind.INTEGER: _integer,
    model.Kind.BOOLEAN: _boolean,
    model.Kind.TIMESTAMP: _timestamp,
}


def _wrong(tag: str, value: Value) -> errors.Defect:
    return errors.Defect(f"{tag} cannot be {type(value).__name__}")


def _escaped(text: str) -> str:
    """``text`` as character data: what XML 1.0 cannot carry becomes U+FFFD.

    Carriage returns are written as references: every reader would see line feeds instead.
    """
    clean = _NOT_XML.sub(_REPLACEMENT, text)
    return clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
