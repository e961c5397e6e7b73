"""Input checks compiled from botocore's own SWF service model (spec/swf-semantics 1.4, 1.6).

One walk reads the request: a JSON value of the wrong type ends it with :class:`SerializationError`; missing members,
lengths, ranges, enums and patterns are collected, so that a caller learns all of them at once. What comes out has no
nulls, no unknown members, and no empty strings where an empty string means "absent".
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from botocore import loaders, model

from elbflow_engine import core
from elbflow_engine.wire import scalars

_SCALARS: Mapping[str, Callable[[Mapping[str, int]], scalars.Reader]] = {
    "integer": scalars.integer,
    "long": scalars.integer,
    "boolean": scalars.boolean,
    "timestamp": scalars.timestamp,
}
MOST_REPORTED = 100
"""Lists are not read further once so many constraints are broken: a flood of them must not keep the loop busy."""


class Inputs:
    """The readers of all operations. Building one reads botocore's model files: use :func:`inputs`."""

    def __init__(self) -> None:
        service = model.ServiceModel(loaders.Loader().load_service_model("swf", "service-2"), "swf")
        self._compiled: dict[str, scalars.Reader] = {}
        self._readers: dict[str, scalars.Reader] = {
            name: self._compile(service.operation_model(name).input_shape) for name in service.operation_names
        }
        self._operations = frozenset(self._readers)

    @property
    def operations(self) -> frozenset[str]:
        """Names of all operations of the service."""
        return self._operations

    def read(self, operation: str, body: core.Json) -> core.Object:
        """Check ``body`` against the input of ``operation`` and return it cleaned.

        Raises :class:`SerializationError` or :class:`ValidationError`.
        """
        found: scalars.Found = []
        params = self._readers[operation](body, found)
        if found:
            head = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: "
            raise scalars.ValidationError(head + "; ".join(map(str, found)))
        assert isinstance(params, Mapping)
        return params

    def _compile(self, shape: model.Shape) -> scalars.Reader:
        reader = self._compiled.get(shape.name)
        if reader is None:
            reader = self._compiled[shape.name] = self._build(shape)
        return reader

    def _build(self, shape: model.Shape) -> scalars.Reader:
        if isinstance(shape, model.StructureShape):
            members = {name: self._compile(member) for name, member in shape.members.items()}
            reader = _structure(members, frozenset(shape.required_members))
            return _decision(reader, _blocks_with_required_members(shape)) if shape.name == "Decision" else reader
        if isinstance(shape, model.ListShape):
            return _list(self._compile(shape.member), shape.metadata)
        if isinstance(shape, model.StringShape):
            return scalars.string(shape)
        return _SCALARS[shape.type_name](shape.metadata)


@functools.cache
def inputs() -> Inputs:
    """The readers, built once per process. The first call blocks for some tens of milliseconds."""
    return Inputs()


def _structure(members: Mapping[str, scalars.Reader], required: frozenset[str]) -> scalars.Reader:
    def read(value: core.Json, found: scalars.Found) -> core.Json:
        if not isinstance(value, dict):
            raise scalars.wrong_type(value, "structure")
        before = len(found)
        result = {
            name: given
            for name, reader in members.items()
            if (member := value.get(name)) is not None and (given := reader(member, found)) is not None
        }
        if len(found) > before or not required <= result.keys():
            del found[before:]
            explain(value, found)
        return result

    def explain(value: dict[str, core.Json], found: scalars.Found) -> None:
        """Read once more, to say what is wrong with which member. Few requests need it."""
        for name, reader in members.items():
            member = value.get(name)
            before = len(found)
            if member is not None:
                reader(member, found)
                found[before:] = [violation.under(name) for violation in found[before:]]
            elif name in required:
                found.append(scalars.Violation("null", name, scalars.NOT_NULL))

    return read


def _blocks_with_required_members(decision: model.StructureShape) -> Mapping[str, str]:
    """Attribute block by decision type, for the types whose block may not be left out (spec/swf-semantics 7)."""
    blocks: dict[str, str] = {}
    for name, member in decision.members.items():
        if isinstance(member, model.StructureShape) and member.required_members:
            blocks[name[0].upper() + name[1:].removesuffix("DecisionAttributes")] = name
    return blocks


def _decision(read_members: scalars.Reader, blocks: Mapping[str, str]) -> scalars.Reader:
    def read(value: core.Json, found: scalars.Found) -> core.Json:
        result = read_members(value, found)
        assert isinstance(result, dict)
        block = blocks.get(str(result.get("decisionType")))
        if block is not None and block not in result:
            found.append(scalars.Violation("null", block, scalars.NOT_NULL))
        return result

    return read


def _list(read_item: scalars.Reader, limits: Mapping[str, int]) -> scalars.Reader:
    def read(value: core.Json, found: scalars.Found) -> core.Json:
        if not isinstance(value, list):
            raise scalars.wrong_type(value, "list")
        result: list[core.Json] = []
        for number, item in enumerate(value, 1):
            before = len(found)
            if before >= MOST_REPORTED:
                break
            if item is None:
                found.append(scalars.Violation("null", "", scalars.NOT_NULL))
            else:
                result.append(read_item(item, found))
            if len(found) > before:
                found[before:] = [violation.under(f"{number}.member") for violation in found[before:]]
        scalars.check_length(value, limits, found)
        return result

    return read
