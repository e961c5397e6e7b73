"""Answers of SWF as botocore would hand them out, read with orjson.

A plain success is what the body says. Everything else, faults and bodies that are not JSON, goes through botocore's own
parser, so that codes, messages and modelled members cannot differ from the stock path (spec/perf-baselines 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson
from botocore import model as shapes
from botocore import parsers

from elbflow.swf import bodies

Parsed: TypeAlias = dict[str, Any]
_OK = 200
_FIRST_ERROR = 300
_NULL, _NULL_IN_TEXT = b"null", b'\\":null'
_parser = parsers.JSONParser(timestamp_parser=float)


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer; header names are in lower case."""

    url: str
    status_code: int
    headers: Mapping[str, str]
    content: bytes


def parsed(reply: Reply, operation: shapes.OperationModel) -> Parsed:
    """Members of the answer and botocore's ``ResponseMetadata``; ``Error`` and modelled members for a fault.

    Timestamps stay numbers. Members that are null are left out; unknown ones stay. Raises what botocore raises for
    a body that it cannot read.
    """
    members = _plain(reply, operation) if reply.status_code == _OK else None
    if members is None:
        return _as_botocore_does(reply, operation)
    metadata: Parsed = {} if (name := reply.headers.get("x-amzn-requestid")) is None else {"RequestId": name}
    metadata["HTTPStatusCode"] = reply.status_code
    metadata["HTTPHeaders"] = reply.headers
    metadata["RetryAttempts"] = 0
    members["ResponseMetadata"] = metadata
    return members


def _plain(reply: Reply, operation: shapes.OperationModel) -> Parsed | None:
    """Members of a JSON object; None when the body is anything else."""
    body = reply.content
    if not body:
        return {}
    try:
        members = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(members) is not dict:
        return None
    # From the end it takes half the time: "n" is rarer than "l".
    return _without_nulls(members) if body.rfind(_NULL) >= 0 and _has_null_members(body) else members


def _has_null_members(body: bytes) -> bool:
    """False when all nulls are those of payloads: JSON within a text has its quotes escaped.

    Names of SWF's members do not end with a backslash.
    """
    return body.count(_NULL) != body.count(_NULL_IN_TEXT)


def _without_nulls(members: Parsed) -> Parsed:
    return {name: _cleaned(value) for name, value in members.items() if value is not None}


def _cleaned(value: Any) -> Any:
    if type(value) is dict:
        return _without_nulls(value)
    return [_cleaned(item) for item in value] if type(value) is list else value


def _as_botocore_does(reply: Reply, operation: shapes.OperationModel) -> Parsed:
    bodies.check(reply.status_code, reply.content)
    response = {"status_code": reply.status_code, "headers": reply.headers, "body": reply.content, "context": {}}
    found: Parsed = _parser.parse(response, operation.output_shape)
    if reply.status_code >= _FIRST_ERROR:
        found.update(_modelled_members(response, found, operation))
    found.setdefault("ResponseMetadata", {})["RetryAttempts"] = 0
    return found


def _modelled_members(response: Parsed, found: Parsed, operation: shapes.OperationModel) -> Parsed:
    code = found.get("Error", {}).get("Code")
    shape = None if code is None else operation.service_model.shape_for_error_code(code)
    return {} if shape is None else _parser.parse(response, shape)
