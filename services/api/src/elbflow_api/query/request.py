"""Parameters into typed values, checked against the model: required members, types, ranges, lengths, patterns.

All violations are reported together, each with its path in AWS's spelling (``healthCheck.interval``,
``listeners.1.member.protocol``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from elbflow_api.query import faults, model, parameters
from elbflow_api.query.parameters import Node
from elbflow_api.query.values import Params, Value

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_SHOWN = 256


def parse(operation: model.Operation, pairs: Iterable[tuple[str, str]]) -> Params:
    """The operation's input. Raises the fault ``ValidationError`` that names every violation."""
    reader = _Reader()
    values = reader.structure(operation.input, parameters.tree(pairs), "")
    if reader.violations:
        raise faults.violations_found(reader.violations)
    return Params(values)


class _Reader:
    """Walks shape and tree together, collecting violations on the way."""

    def __init__(self) -> None:
        # What stands for an invalid value does not matter: with any violation the result is thrown away.
        self.violations: list[str] = []

    def structure(self, shape: model.Structure, node: Node, path: str) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for name, member in shape.members.items():
            own_path = f"{path}.{_camel(name)}" if path else _camel(name)
            below = node.children.get(name)
            value = self._read(member.shape, below, own_path) if below is not None else None
            if value is not None:
                values[name] = value
            elif member.required:
                self._fail(own_path, "null", "not be null")
        return values

    def _read(self, shape: model.Shape, node: Node, path: str) -> Value | None:
        match shape:
            case model.Structure():
                return self.structure(shape, node, path) if node.children else None
            case model.List():
                return self._list(shape, node, path)
            case model.Scalar():
                return self._scalar(shape, node.value, path) if node.value is not None else None

    def _list(self, shape: model.List, node: Node, path: str) -> Value | None:
        for wrong in node.misnumbered(shape.item_name):
            self._fail(path, _quoted(wrong), "be numbered from 1 to 999999")
        items = node.items(shape.item_name)
        if not items and node.value != "":
            return None
        read = [self._read(shape.item, item, f"{path}.{number}.member") for number, item in items]
        self._bounds(len(read), shape, path, shown=_shown_list(node, items), what="length")
        return [value for value in read if value is not None]

    def _scalar(self, shape: model.Scalar, text: str, path: str) -> Value:
        match shape.kind:
            case model.Kind.STRING:
                shown = "" if shape.secret else _quoted(text)
                self._bounds(len(text), shape, path, shown=shown, what="length")
                if shape.matcher is not None and shape.matcher.fullmatch(text) is None:
                    self._fail(path, shown, f"satisfy regular expression pattern: {shape.pattern}")
                return text
            case model.Kind.INTEGER:
                if _INTEGER.fullmatch(text) is None:
                    self._fail(path, _quoted(text), "be an integer")
                    return 0
                self._bounds(int(text), shape, path, shown=_quoted(text), what="value")
                return int(text)
            case model.Kind.BOOLEAN:
                if text.lower() not in ("true", "false"):
                    self._fail(path, _quoted(text), "be true or false")
                return text.lower() == "true"
            case model.Kind.TIMESTAMP:
                moment = _moment(text)
                if moment is None:
                    self._fail(path, _quoted(text), "be an ISO 8601 time")
                return moment or datetime.min.replace(tzinfo=UTC)

    def _bounds(self, size: int, shape: model.Scalar | model.List, path: str, *, shown: str, what: str) -> None:
        if shape.minimum is not None and size < shape.minimum:
            self._fail(path, shown, f"have {what} greater than or equal to {shape.minimum}")
        if shape.maximum is not None and size > shape.maximum:
            self._fail(path, shown, f"have {what} less than or equal to {shape.maximum}")

    def _fail(self, path: str, shown: str, demand: str) -> None:
        value = f"Value {shown}" if shown else "Value"
        self.violations.append(f"{value} at '{path}' failed to satisfy constraint: Member must {demand}")


def _camel(name: str) -> str:
    return name[0].lower() + name[1:]


def _quoted(text: str) -> str:
    return f"'{text}'" if len(text) <= _SHOWN else f"'{text[:_SHOWN]}...'"


def _shown_list(node: Node, items: list[tuple[int, Node]]) -> str:
    texts = [item.value for _, item in items if item.value is not None]
    return _quoted("[" + ", ".join(texts) + "]")


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
