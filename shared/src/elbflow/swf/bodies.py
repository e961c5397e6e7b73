"""What the body of a good answer must be (spec/swf-semantics 1.2); botocore would read any other as an empty object."""

from __future__ import annotations

from typing import Any

import orjson
from botocore.parsers import ResponseParserError

_OK = 200


def check(status: int, body: bytes) -> None:
    """Raises botocore's ``ResponseParserError`` for a success with a body that is no JSON object."""
    if status != _OK or not body:
        return
    try:
        members = orjson.loads(body)
    except ValueError as error:
        raise ResponseParserError(f"the answer is no JSON: {body[:80]!r}") from error
    if not isinstance(members, dict):
        raise ResponseParserError(f"the answer is no JSON object: {body[:80]!r}")


def before_parse(response_dict: dict[str, Any], **_: Any) -> None:
    """A handler of botocore's event of that name."""
    check(response_dict["status_code"], response_dict["body"])
