"""Payloads: values as JSON text within SWF's 32,768 characters (spec/swf-semantics 1.6, design section 4).

Text above 24 KB travels compressed: ``Z`` and the base64 of its deflated UTF-8. JSON never starts with that letter.
"""

from __future__ import annotations

import base64
import binascii
import functools
import typing
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

import pydantic
import pydantic_core

from elbflow.flow import deciding, errors, limits

T = TypeVar("T")

LIMIT = limits.MOST_TEXT
INLINE = 24 * 1024
_COMPRESSED = "Z"
_PLAIN = frozenset({int, float, str, bool, type(None)})
_MOST_INFLATED = 8 * 1024 * 1024


def encode(value: T, type_: type[T], *, field: str = "payload") -> str:
    """``value`` as payload text of its declared type; ``field`` names it in errors.

    Raises :class:`errors.PayloadTooLarge` when even its compressed form does not fit, and
    :class:`errors.PayloadMismatch` when the value does not have the type. Nothing is ever truncated.
    """
    codec = _codec(type_)
    try:
        if codec.plain is not None and codec.plain == _types(value):
            text = codec.adapter.serializer.to_json(value).decode()
        else:
            text = codec.adapter.dump_json(value, warnings="error").decode()
    except pydantic_core.PydanticSerializationError as error:
        raise errors.PayloadMismatch(f"cannot encode {type(value).__name__} as {type_}: {error}") from error
    return pack(text, field=field)


def decode(text: str | None, type_: type[T]) -> T:
    """The value of a payload; an absent payload reads as JSON ``null``. Raises :class:`errors.PayloadMismatch`."""
    try:
        value: T = adapter(type_).validator.validate_json(unpack(text))
    except pydantic.ValidationError as error:
        raise errors.PayloadMismatch(f"cannot decode a payload as {type_}: {error}") from error
    return value


def pack(text: str, *, field: str = "payload") -> str:
    """JSON text as it travels. Raises :class:`errors.PayloadTooLarge`."""
    if len(text) <= INLINE:
        return text
    packed = _COMPRESSED + base64.b64encode(zlib.compress(text.encode(), 6)).decode()
    shorter = min(text, packed, key=len)
    if len(shorter) > LIMIT:
        raise errors.PayloadTooLarge(
            f"{field} has {len(text)} characters ({len(packed)} compressed); SWF accepts {LIMIT}",
            field=field,
            size=len(shorter),
        )
    return shorter


def unpack(text: str | None) -> str:
    """The JSON text of a payload. Raises :class:`errors.PayloadMismatch` when the compressed form is damaged."""
    if text is None:
        return "null"
    if not text.startswith(_COMPRESSED):
        return text
    try:
        inflater = zlib.decompressobj()
        data = inflater.decompress(base64.b64decode(text[1:], validate=True), _MOST_INFLATED)
        if not inflater.eof:
            raise errors.PayloadMismatch("a compressed payload is cut off or inflates beyond 8 MiB")
        return data.decode()
    except (binascii.Error, zlib.error, UnicodeDecodeError) as error:
        raise errors.PayloadMismatch(f"a compressed payload is damaged: {error}") from error


def adapter(type_: Any) -> pydantic.TypeAdapter[Any]:
    """The JSON adapter of a type. Sets are refused: their order differs from process to process."""
    return _codec(type_).adapter


class _Codec(NamedTuple):
    """How values of a type travel.

    ``plain`` is the type if it is a number or text, the types of the members if it is a tuple of such, as arguments
    are. A value of exactly these has its declared type: pydantic takes ten times as long when it is to look itself.
    """

    adapter: pydantic.TypeAdapter[Any]
    plain: type | tuple[type, ...] | None


def _codec(type_: Any) -> _Codec:
    return _made(type_)


def _types(value: Any) -> type | tuple[type, ...]:
    return tuple(map(type, value)) if type(value) is tuple else type(value)


@functools.lru_cache(maxsize=1024)
def _made(type_: Any) -> _Codec:
    plain = type_ if type_ in _PLAIN else None
    if typing.get_origin(type_) is tuple and _PLAIN.issuperset(typing.get_args(type_)):
        plain = typing.get_args(type_)
    return _Codec(_adapter(type_), plain)


def _adapter(type_: Any) -> pydantic.TypeAdapter[Any]:
    with deciding.lifted():  # pydantic asks the environment about plugins
        built: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(type_)
    if any(kind in ("set", "frozenset") for kind in _schema_kinds(built.core_schema)):
        raise errors.PayloadMismatch(f"{type_} holds a set, whose order is not reproducible; use a sorted tuple")
    return built


def _schema_kinds(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        kind = schema.get("type")
        if isinstance(kind, str):
            yield kind
        for key, member in schema.items():
            if key not in ("metadata", "serialization"):
                yield from _schema_kinds(member)
    elif isinstance(schema, (list, tuple)):
        for member in schema:
            yield from _schema_kinds(member)


adapter(type(None))  # pydantic reads the installed packages the first time: now, not while a loop waits
