"""Which function carries out which activity in this process."""

from __future__ import annotations

import copy
import types
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Concatenate, Self

from elbflow import swf
from elbflow.flow.signatures import Activity, P, R


@dataclass(frozen=True, slots=True)
class Binding:
    """An activity and the function that carries it out; ``of_owner``: one that takes the owner first."""

    activity: Activity[..., Any]
    implementation: Callable[..., Awaitable[Any]]
    of_owner: bool = False


class ActivityRegistry:
    """The activities of one worker, keyed by name and version."""

    def __init__(self) -> None:
        self._bindings: dict[swf.TypeId, Binding] = {}
        self._owner: object | None = None

    def of(self, owner: object) -> Self:
        """The same activities for the worker of ``owner``, whom those that :meth:`bind_method` bound take first.

        The table is shared, so that hundreds of workers in one process need not have one each.
        """
        owned = copy.copy(self)
        owned._owner = owner
        return owned

    def bind(self, activity: Activity[P, R], implementation: Callable[P, Awaitable[R]] | None = None) -> None:
        """Carry out ``activity`` with ``implementation``, or with the function it was declared by.

        Several versions of one name may be bound. ValueError when this one is already; TypeError for an abstract
        activity without implementation.
        """
        if implementation is None and activity.abstract:
            raise TypeError(f"{activity.name} is abstract: bind it to the function that carries it out")
        self._add(Binding(activity, implementation or activity.function))

    def bind_method(
        self, activity: Activity[P, R], implementation: Callable[Concatenate[Any, P], Awaitable[R]]
    ) -> None:
        """As :meth:`bind`, with a function that takes the owner first, whom :meth:`of` tells."""
        self._add(Binding(activity, implementation, of_owner=True))

    def find(self, activity_type: swf.TypeId) -> Binding | None:
        """The binding of a type, or None."""
        found = self._bindings.get(activity_type)
        if found is None or self._owner is None or not found.of_owner:
            return found
        return Binding(found.activity, types.MethodType(found.implementation, self._owner))

    def versions(self, name: str) -> tuple[str, ...]:
        """The versions of an activity that are bound, in binding order."""
        return tuple(type_.version for type_ in self._bindings if type_.name == name)

    def activities(self) -> tuple[Activity[..., Any], ...]:
        """Signatures of everything bound, in binding order."""
        return tuple(binding.activity for binding in self)

    def __iter__(self) -> Iterator[Binding]:
        return iter(self._bindings.values())

    def __len__(self) -> int:
        return len(self._bindings)

    def _add(self, binding: Binding) -> None:
        activity = binding.activity
        if activity.type in self._bindings:
            raise ValueError(f"{activity.name} {activity.version} is bound already")
        self._bindings[activity.type] = binding
