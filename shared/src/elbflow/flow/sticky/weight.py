"""How much memory a run in memory keeps: what its workflow can reach, added up (bytes).

The walk counts the workflow's own objects and whatever its tasks and its functions hold, as the garbage collector sees
them. It stops at what all runs share (classes, code, modules, this runtime's definitions and codecs).
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import types
from typing import Any

from elbflow.flow import definition, signatures
from elbflow.flow.core import decide, loop

MOST_OBJECTS = 100_000
"""A run that holds more than this is not worth the time to weigh it, let alone a place in the cache."""

TOO_HEAVY = 1 << 60

_BARE = 2_000
"""What is allocated beside the objects the walk sees: the collector's headers, keys of dictionaries, spare room."""

_LOOP_ITEM = 500
"""What a task or a future has beside what ``sys.getsizeof`` says."""

_SHARED: tuple[Any, ...] = (
    type,
    types.BuiltinFunctionType,
    types.ModuleType,
    types.CodeType,
    types.FrameType,
    types.TracebackType,
    contextvars.Context,
    contextvars.ContextVar,
    definition.WorkflowDefinition,
    signatures.Activity,
    signatures.WorkflowSignature,
    signatures.SignalSignature,
)


def bytes_of(run: decide.Run) -> tuple[int, int]:
    """Bytes that ``run`` keeps, and how many objects were looked at for that: less than 1 µs each.

    :data:`TOO_HEAVY` bytes for a run of more than :data:`MOST_OBJECTS` objects.
    """
    kinds: dict[type, int | None] = {}  # of this walk alone: workflows may make classes, which must be free to go
    seen: set[int] = set()
    waiting: list[Any] = [run]
    total = _BARE
    size, referents = sys.getsizeof, gc.get_referents
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        kind = type(item)
        beside = kinds[kind] if kind in kinds else kinds.setdefault(kind, _beside(kind))
        if beside is None:
            continue
        seen.add(id(item))
        total += size(item, 64) + beside
        if len(seen) > MOST_OBJECTS:
            return TOO_HEAVY, len(seen)
        if kind is types.FunctionType:
            waiting += (item.__closure__, item.__defaults__, item.__kwdefaults__)
        else:
            waiting += referents(item)
    return total, len(seen)


def _beside(kind: type) -> int | None:
    """Bytes of each object of ``kind`` that ``sys.getsizeof`` does not tell; None for what all runs share."""
    if issubclass(kind, _SHARED):
        return None
    return _LOOP_ITEM if issubclass(kind, (asyncio.Task, asyncio.Future, loop.Loop)) else 0
