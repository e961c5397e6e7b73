"""Which function carries out which activity in this process."""

from __future__ import annotations

import copy
import types
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Concatenate, Self, cast

from elbflow import swf
from elbflow.flow.signatures import Activity, P, R


@dataclass(frozen=True, slots=True)
class Binding:
    """An activity and the function that carries it out."""

    activity: Activity[..., Any]
    implementation: Callable[..., Awaitable[Any]]


class ActivityRegistry:
    """The activities of one worker, keyed by name and version."""

    def __init__(self) -> None:
        self._bindings: dict[swf.TypeId, Binding] = {}
        self._owner: object | None = None

    def of(self, owner: object) -> Self:
        """The same activities, bound by :meth:`bind_method`, for the worker of ``owner``.

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
        if activity.type in self._bindings:
            raise ValueError(f"{activity.name} {activity.version} is bound already")
        if implementation is None and activity.abstract:
            raise TypeError(f"{activity.name} is abstract: bind it to the function that carries it out")
        self._bindings[activity.type] = Binding(activity, implementation or activity.function)

    def bind_method(
        self, activity: Activity[P, R], implementation: Callable[Concatenate[Any, P], Awaitable[R]]
    ) -> None:
        """As :meth:`bind`, with a function that takes the owner first, whom :meth:`of` tells."""
        self.bind(activity, cast(Callable[P, Awaitable[R]], implementation))

    def find(self, activity_type: swf.TypeId) -> Binding | None:
        """The binding of a type, or None."""
        found = self._bindings.get(activity_type)
        if found is None or self._owner is None:
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
