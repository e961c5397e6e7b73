"""Contexts whose beginning alone needs something."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


class Through(Generic[_T]):
    """``inner``, entered inside ``gate``, which is left before the block begins; an ``AsyncExitStack`` takes a KiB.

    What the gate raises when it is left ends ``inner``, as the block's errors do. A gate that was left is let go of.
    """

    __slots__ = ("_gate", "_inner")

    def __init__(
        self, gate: AbstractAsyncContextManager[object, Any], inner: AbstractAsyncContextManager[_T, bool | None]
    ) -> None:
        self._gate = gate
        self._inner = inner

    async def __aenter__(self) -> _T:
        entered, gate = False, self._gate
        del self._gate
        try:
            async with gate:
                value = await self._inner.__aenter__()
                entered = True
        except BaseException as error:
            if entered:
                await self._inner.__aexit__(type(error), error, error.__traceback__)
            raise
        return value

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._inner.__aexit__(kind, error, trace)
