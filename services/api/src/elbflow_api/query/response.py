"""Answers as XML in the service's namespace (spec/elb-control-plane 1.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from elbflow import errors
from elbflow_api.query import faults, model
from elbflow_api.query.values import Response, Value

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACEMENT = "\ufffd"


def render_result(operation: model.Operation, answer: Response, request_id: str) -> bytes:
    """The answer of a call that succeeded.

    A member that the output shape lacks, or a value of another type, is a :class:`errors.Defect` of the action.
    """
    root = ET.Element(f"{operation.name}Response", {"xmlns": model.NAMESPACE})
    _structure(ET.SubElement(root, operation.result_wrapper), operation.output, answer)
    metadata = ET.SubElement(root, "ResponseMetadata")
    ET.SubElement(metadata, "RequestId").text = request_id
    return _document(root)


def render_fault(fault: faults.Fault, request_id: str) -> bytes:
    """The answer of a call that failed."""
    root = ET.Element("ErrorResponse", {"xmlns": model.NAMESPACE})
    error = ET.SubElement(root, "Error")
    ET.SubElement(error, "Type").text = "Sender" if fault.sender else "Receiver"
    ET.SubElement(error, "Code").text = fault.code
    ET.SubElement(error, "Message").text = _clean(fault.message)
    ET.SubElement(root, "RequestId").text = request_id
    return _document(root)


def _document(root: ET.Element) -> bytes:
    # The serializer leaves carriage returns as they are, and every reader would then see line feeds instead.
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document.replace(b"\r", b"&#13;")


def _structure(element: ET.Element, shape: model.Structure, values: Mapping[str, Value | None]) -> None:
    if unknown := values.keys() - shape.members.keys():
        raise errors.Defect(f"{element.tag} has no members {sorted(unknown)}")
    for name, member in shape.members.items():
        value = values.get(name)
        if value is not None:
            _value(ET.SubElement(element, name), member.shape, value)


def _value(element: ET.Element, shape: model.Shape, value: Value) -> None:
    match shape, value:
        case model.Structure(), Mapping():
            _structure(element, shape, value)
        case model.List(), Sequence() if not isinstance(value, str):
            for item in value:
                _value(ET.SubElement(element, shape.item_name), shape.item, item)
        case model.Scalar(), _:
            element.text = _text(shape, value)
        case _:
            raise errors.Defect(f"{element.tag} cannot be {type(value).__name__}")


def _text(shape: model.Scalar, value: Value) -> str:
    match shape.kind, value:
        case model.Kind.BOOLEAN, bool():
            return "true" if value else "false"
        case model.Kind.INTEGER, int() if not isinstance(value, bool):
            return str(value)
        case model.Kind.STRING, str():
            return _clean(value)
        case model.Kind.TIMESTAMP, datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case _:
            raise errors.Defect(f"{type(value).__name__} is not a {shape.kind.name.lower()}")


def _clean(text: str) -> str:
    """``text`` with what XML 1.0 cannot carry replaced by U+FFFD."""
    return _NOT_XML.sub(_REPLACEMENT, text)
