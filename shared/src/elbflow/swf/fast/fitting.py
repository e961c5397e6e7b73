"""A quick look whether the members of a call fit the model, made once per operation from its shape.

botocore's validator asks every member's shape anew what it is, which for the answer to a decision task costs as much as
signing it. The look here says yes or nothing: what it is not sure of, botocore's validator decides and reports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from botocore import model as shapes

Look: TypeAlias = Callable[[Any], bool]


def look(shape: shapes.Shape | None, inside: frozenset[str] = frozenset()) -> Look:
    """True for values that botocore's validator accepts for ``shape``; False says nothing.

    Values of other types than JSON's, unions, documents and shapes within themselves are among those it says nothing
    of. Without a shape nothing is checked, as in botocore.
    """
    if shape is None:
        return lambda value: True
    if shape.name in inside:
        return _unsure
    inside |= {shape.name}
    least = shape.metadata.get("min", 0)
    match shape.type_name:
        case "structure" if not (shape.is_document_type or shape.is_tagged_union):
            members = {name: look(member, inside) for name, member in shape.members.items()}
            return _structure(members, frozenset(shape.metadata.get("required", ())))
        case "list":
            return _list(look(shape.member, inside), least)
        case "string":
            return lambda value: type(value) is str and len(value) >= least
        case "integer" | "long":
            return lambda value: type(value) is int and value >= shape.metadata.get("min", value)
        case "boolean":
            return lambda value: type(value) is bool
    return _unsure


def _structure(members: dict[str, Look], required: frozenset[str]) -> Look:
    def fits(value: Any) -> bool:
        if type(value) is not dict or not required <= value.keys():
            return False
        for name, member in value.items():
            known = members.get(name)
            if known is None or not known(member):
                return False
        return True

    return fits


def _list(item: Look, least: int) -> Look:
    return lambda value: type(value) is list and len(value) >= least and all(map(item, value))


def _unsure(value: Any) -> bool:
    return False
