"""A service's operations, shapes and faults, read once from botocore's model of it: ``elb`` unless another is named.

botocore's own shape classes are untyped; what the protocol needs of them is copied into small frozen values.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from botocore.loaders import Loader
from botocore.model import ServiceModel

from elbflow import errors

SERVICE = "elb"
IAM = "iam"
STS = "sts"

_MAXIMA = {"IdleTimeout": 4000}
"""Bounds that AWS's service has widened and the published model has not."""

_ADDITIONS = {"ListenerDescription": ("Problems",), "LoadBalancerDescription": ("Problems",)}
"""Lists of texts that our answers have beside what the published model names; clients made from it skip them."""

_UNICODE_CLASSES = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\w",
    r"\p{Z}": r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}


class Kind(enum.Enum):
    """Types of scalar values."""

    STRING = enum.auto()
    INTEGER = enum.auto()
    BOOLEAN = enum.auto()
    TIMESTAMP = enum.auto()


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value. Bounds are of the value for integers, of the length for strings; secrets are never shown."""

    kind: Kind
    minimum: int | None = None
    maximum: int | None = None
    pattern: str | None = None
    matcher: re.Pattern[str] | None = None
    secret: bool = False


@dataclass(frozen=True, slots=True)
class List:
    """Values that travel as ``<prefix>.<item_name>.N``. Bounds are of the number of items."""

    item: Shape
    item_name: str
    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A named part of a structure."""

    shape: Shape
    required: bool


@dataclass(frozen=True, slots=True)
class Structure:
    """Named parts in the order of the model."""

    members: Mapping[str, Member]


Shape: TypeAlias = Scalar | List | Structure


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation of a service; ``result_wrapper`` is the element its output is wrapped in, if it has any."""

    name: str
    input: Structure
    output: Structure
    result_wrapper: str | None
    namespace: str


@dataclass(frozen=True, slots=True)
class FaultShape:
    """A modelled exception as it appears on the wire."""

    code: str
    status: int
    sender: bool


@functools.lru_cache(maxsize=4)
def _service(service: str) -> Any:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def namespace(service: str = SERVICE) -> str:
    """Namespace of a service's answers."""
    return str(_service(service).metadata["xmlNamespace"])


NAMESPACE: str = namespace()
"""Namespace of every answer."""


@functools.lru_cache(maxsize=1)
def operations() -> Mapping[str, Operation]:
    """All operations of the model by name."""
    return {name: _operation(SERVICE, name) for name in operation_names()}


@functools.lru_cache(maxsize=4)
def operation_names(service: str = SERVICE) -> frozenset[str]:
    """Names of a service's operations, also of those that cannot be read here."""
    return frozenset(str(name) for name in _service(service).operation_names)


def find_operation(name: str, service: str = SERVICE) -> Operation | None:
    """The operation, or None when the model has no such name (names are case-sensitive)."""
    if service == SERVICE:
        return operations().get(name)
    return _operation(service, name) if name in operation_names(service) else None


@functools.lru_cache(maxsize=4)
def fault_shapes(service: str = SERVICE) -> Mapping[str, FaultShape]:
    """All modelled exceptions by shape name, e.g. ``AccessPointNotFoundException``."""
    found: dict[str, FaultShape] = {}
    for shape in _service(service).error_shapes:
        wire = shape.metadata.get("error")
        if wire is None:  # One that only answers of other protocols have.
            continue
        found[shape.name] = FaultShape(
            str(wire["code"]), int(wire["httpStatusCode"]), bool(wire.get("senderFault", False))
        )
    return found


@functools.lru_cache(maxsize=64)
def _operation(service: str, name: str) -> Operation:
    raw = _service(service).operation_model(name)
    empty = Structure({})
    answers = raw.output_shape is not None
    return Operation(
        name=str(raw.name),
        input=_structure(raw.input_shape) if raw.input_shape is not None else empty,
        output=_structure(raw.output_shape) if answers else empty,
        result_wrapper=str(raw.output_shape.serialization["resultWrapper"]) if answers else None,
        namespace=namespace(service),
    )


def _structure(raw: Any) -> Structure:
    required = frozenset(raw.required_members)
    members = {str(name): Member(_shape(shape), name in required) for name, shape in raw.members.items()}
    texts = List(Scalar(Kind.STRING), "member")
    return Structure(members | {name: Member(texts, required=False) for name in _ADDITIONS.get(raw.name, ())})


def _shape(raw: Any) -> Shape:
    minimum, maximum = raw.metadata.get("min"), _MAXIMA.get(raw.name, raw.metadata.get("max"))
    match raw.type_name:
        case "structure":
            return _structure(raw)
        case "list":
            return List(_shape(raw.member), str(raw.member.serialization.get("name", "member")), minimum, maximum)
        case "string":
            pattern = raw.metadata.get("pattern")
            secret = bool(raw.metadata.get("sensitive", False))
            return Scalar(Kind.STRING, minimum, maximum, pattern, _matcher(pattern) if pattern else None, secret)
        case "integer" | "long":
            return Scalar(Kind.INTEGER, minimum, maximum)
        case "boolean":
            return Scalar(Kind.BOOLEAN)
        case "timestamp":
            return Scalar(Kind.TIMESTAMP)
        case other:
            raise errors.Defect(f"the model has a shape of type {other}")


def _matcher(pattern: str) -> re.Pattern[str]:
    """A matcher for ``fullmatch``. Python knows no ``\\p``, so Unicode classes are spelled out; ``\\w`` is ASCII's."""
    flags = re.NOFLAG if r"\p" in pattern else re.ASCII
    for theirs, ours in _UNICODE_CLASSES.items():
        pattern = pattern.replace(theirs, ours)
    return re.compile(pattern.removeprefix("^").removesuffix("$"), flags)
