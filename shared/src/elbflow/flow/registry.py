"""Which function carries out which activity in this process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

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

    def bind(self, activity: Activity[P, R], implementation: Callable[P, Awaitable[R]]) -> None:
        """Carry out ``activity`` with ``implementation``; ValueError when it is bound already."""
        if activity.type in self._bindings:
            raise ValueError(f"{activity.name} {activity.version} is bound already")
        self._bindings[activity.type] = Binding(activity, implementation)

    def find(self, activity_type: swf.TypeId) -> Binding | None:
        """The binding of a type, or None."""
        return self._bindings.get(activity_type)

    def activities(self) -> tuple[Activity[..., Any], ...]:
        """Signatures of everything bound, in binding order."""
        return tuple(binding.activity for binding in self)

    def __iter__(self) -> Iterator[Binding]:
        return iter(self._bindings.values())

    def __len__(self) -> int:
        return len(self._bindings)
