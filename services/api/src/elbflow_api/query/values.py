"""Request and response values, and typed access to a request whose shape was already checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias, TypeVar

from elbflow import errors

T = TypeVar("T", str, int, bool)

Value: TypeAlias = str | int | bool | datetime | Sequence["Value"] | Mapping[str, "Value"]
Response: TypeAlias = Mapping[str, Value | None]
"""What an action answers: members of the output shape by name; None and absent mean the same."""


class Params:
    """A checked request, or a structure in it.

    Absent optional members read as None, empty or false. Asking for something that the model does not promise (a
    required read of an absent member, a value of another type) is a :class:`errors.Defect`.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values

    def replaced(self, name: str, value: Value | None) -> Params:
        """These parameters with another value of one member; None takes it away."""
        others = {key: kept for key, kept in self._values.items() if key != name}
        return Params(others if value is None else {**others, name: value})

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        return _typed(name, self._present(name), str)

    def optional_text(self, name: str) -> str | None:
        return self.text(name) if name in self._values else None

    def integer(self, name: str) -> int:
        return _typed(name, self._present(name), int)

    def optional_integer(self, name: str) -> int | None:
        return self.integer(name) if name in self._values else None

    def flag(self, name: str) -> bool:
        return _typed(name, self._present(name), bool)

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(_typed(name, item, str) for item in self._items(name))

    def integers(self, name: str) -> tuple[int, ...]:
        return tuple(_typed(name, item, int) for item in self._items(name))

    def structure(self, name: str) -> Params | None:
        if name not in self._values:
            return None
        return self._structure(name, self._values[name])

    def structures(self, name: str) -> tuple[Params, ...]:
        return tuple(self._structure(name, item) for item in self._items(name))

    def _present(self, name: str) -> Value:
        if name not in self._values:
            raise errors.Defect(f"the request has no {name}")
        return self._values[name]

    def _items(self, name: str) -> Sequence[Value]:
        value = self._values.get(name, ())
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise errors.Defect(f"{name} is not a list")
        return value

    def _structure(self, name: str, value: Value) -> Params:
        if not isinstance(value, Mapping):
            raise errors.Defect(f"{name} is not a structure")
        return Params(value)


def _typed(name: str, value: Value, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise errors.Defect(f"{name} is not a {kind.__name__}")
    return value
