"""botocore's own ends of the protocol: what a client sends, and how it reads what comes back."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

MODEL: Any = ServiceModel(Loader().load_service_model("elb", "service-2"), "elb")
_SERIALIZER: Any = create_serializer("query")
_PARSER: Any = create_parser("query")


def sent(operation: str, params: dict[str, Any]) -> bytes:
    """The form body a client sends."""
    request = _SERIALIZER.serialize_to_request(params, MODEL.operation_model(operation))
    return urlencode(list(request["body"].items())).encode()


def received(operation: str, body: bytes, status: int = 200) -> dict[str, Any]:
    """What a client makes of an answer."""
    response = {"body": body, "headers": {}, "status_code": status}
    parsed: dict[str, Any] = _PARSER.parse(response, MODEL.operation_model(operation).output_shape)
    return parsed
