"""Reading members of request objects.

The shell checks shapes before; these readers still refuse a wrong one, so that a shell in a test cannot corrupt state.
An empty string counts as absent where the protocol says "optional" (spec/swf-semantics 1.6).
"""

from __future__ import annotations

from elbflow_engine.core import api, faults


def text(params: api.Object, name: str) -> str:
    """A required string."""
    value = params.get(name)
    if isinstance(value, str):
        return value
    raise missing(name) if value is None else _wrong(name, "a string")


def maybe_text(params: api.Object, name: str) -> str | None:
    """An optional string; the empty string is kept."""
    value = params.get(name)
    if value is not None and not isinstance(value, str):
        raise _wrong(name, "a string")
    return value


def filled(params: api.Object, name: str) -> str | None:
    """An optional string where the empty string means absent."""
    return maybe_text(params, name) or None


def flag(params: api.Object, name: str) -> bool:
    value = params.get(name)
    if value is not None and not isinstance(value, bool):
        raise _wrong(name, "a boolean")
    return bool(value)


def integer(params: api.Object, name: str) -> int:
    """An optional integer; 0 when absent."""
    value = params.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(name, "an integer")
    return value


def maybe_number(params: api.Object, name: str) -> float | None:
    value = params.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(name, "a number")
    return float(value)


def maybe_object(params: api.Object, name: str) -> api.Object | None:
    value = params.get(name)
    if value is not None and not isinstance(value, dict):
        raise _wrong(name, "an object")
    return value


def required_object(params: api.Object, name: str) -> api.Object:
    value = maybe_object(params, name)
    if value is None:
        raise missing(name)
    return value


def objects(params: api.Object, name: str) -> list[api.Object]:
    """An optional list of objects; empty when absent."""
    items: list[api.Object] = [item for item in _items(params, name) if isinstance(item, dict)]
    if len(items) != len(_items(params, name)):
        raise _wrong(name, "a list of objects")
    return items


def texts(params: api.Object, name: str) -> list[str] | None:
    """An optional list of strings."""
    if params.get(name) is None:
        return None
    items = [item for item in _items(params, name) if isinstance(item, str)]
    if len(items) != len(_items(params, name)):
        raise _wrong(name, "a list of strings")
    return items


def type_key(params: api.Object, name: str) -> tuple[str, str]:
    """Name and version of the required type object ``name``."""
    value = required_object(params, name)
    return text(value, "name"), text(value, "version")


def list_name(params: api.Object, name: str = "taskList") -> str | None:
    """The name inside an optional task list object."""
    value = maybe_object(params, name)
    return None if value is None else text(value, "name")


def given(params: api.Object, *names: str) -> dict[str, api.Json]:
    """The named members that are present, for echoing."""
    return {name: params[name] for name in names if params.get(name) is not None}


def missing(path: str) -> faults.Fault:
    """The fault of an absent required member, in the service's own words (spec/swf-semantics 1.4)."""
    return faults.validation(
        f"1 validation error detected: Value null at '{path}' failed to satisfy constraint: Member must not be null"
    )


def _items(params: api.Object, name: str) -> list[api.Json]:
    value = params.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(name, "a list")
    return value


def _wrong(name: str, expected: str) -> faults.Fault:
    return faults.Fault("SerializationException", f"Member '{name}' must be {expected}")
