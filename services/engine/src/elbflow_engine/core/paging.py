"""Page sizes, page tokens and keyset pages (spec/swf-semantics 10)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from elbflow_engine.core import api, faults, members
from elbflow_engine.core.world import World

T = TypeVar("T")

_MAX_PAGE = 1000
_NOT_SCOPE = ("nextPageToken", "maximumPageSize")


def size(params: api.Object) -> int:
    """The page size asked for; raises ValidationException outside 0..1000."""
    value = members.integer(params, "maximumPageSize")
    if not 0 <= value <= _MAX_PAGE:
        raise faults.validation(f"maximumPageSize must be between 0 and {_MAX_PAGE}")
    return value or _MAX_PAGE


def position(
    world: World, operation: str, scope: api.Object, params: api.Object, now_ms: int
) -> dict[str, api.Json] | None:
    """Where the request's page token points; None on a first page."""
    token = members.filled(params, "nextPageToken")
    if token is None:
        return None
    return world.tokens.read_page(token, operation, scope, now_ms, world.limits.page_token_lifetime_s)


class Listing:
    """One page of a list operation: where to begin, how much to take, the token of what follows."""

    def __init__(self, world: World, account: str, operation: str, params: api.Object, now_ms: int) -> None:
        self._world = world
        self._operation = operation
        self._scope = {name: params[name] for name in params if name not in _NOT_SCOPE} | {"": account}
        self._now_ms = now_ms
        self.size = size(params)
        self.reverse = members.flag(params, "reverseOrder")
        self.position = position(world, operation, self._scope, params, now_ms)

    def page(
        self, name: str, items: Iterable[T], show: Callable[[T], api.Json], key: Callable[[T], api.Object]
    ) -> dict[str, api.Json]:
        """The answer: at most ``size`` of ``items`` under ``name``, and a token when there are more."""
        taken: list[T] = []
        answer: dict[str, api.Json] = {}
        for item in items:
            if len(taken) == self.size:
                answer["nextPageToken"] = self._world.tokens.page(
                    self._operation, self._scope, key(taken[-1]), self._now_ms
                )
                break
            taken.append(item)
        answer[name] = [show(item) for item in taken]
        return answer

    def by_name(self, items: Iterable[tuple[tuple[str, ...], T]]) -> list[tuple[tuple[str, ...], T]]:
        """Items with sortable names, in order, after the position."""
        ordered = sorted(items, key=lambda item: item[0], reverse=self.reverse)
        if self.position is None:
            return ordered
        after = tuple(members.texts(self.position, "after") or ())
        return [item for item in ordered if (item[0] < after if self.reverse else item[0] > after)]


def name_key(item: tuple[tuple[str, ...], object]) -> api.Object:
    """Position of an item of :meth:`Listing.by_name`."""
    return {"after": list(item[0])}
