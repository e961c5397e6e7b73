"""While a workflow decides, calls whose outcome is not in its history fail with the remedy (spec/anchors 3.8 rule 7).

Functions of modules are replaced for the length of a decision: one bulk update per module, so that the process pays
for them at no other time. Methods of classes are replaced once, at the first decision. A context variable limits both
to the workflow's own code: other threads never meet them. What a module imported by name (``from time import time``),
and methods of C classes such as ``datetime.now``, are :mod:`elbflow.flow.inspection`'s
business.

The garbage collector rests meanwhile: finalisers of whatever dies would otherwise run amid the workflow, and what they
do would count as its doing.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import linecache
import operator
import random
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from elbflow.flow import banned, deciding, errors
from elbflow.flow.core import loop

_Function = Callable[..., Any]


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Guard the calling context for the length of the block, which must not await. Blocks may be nested."""
    _SITES.put_up()
    try:
        with deciding.marked():
            yield
    finally:
        _SITES.take_down()


class _Module:
    """The replaced functions of one module; ``put_up`` takes what stands there then, which need not be the original."""

    def __init__(self, module: ModuleType, make: Callable[[str, dict[str, _Function]], _Function], names: list[str]):
        self._space = vars(module)
        self._found: dict[str, _Function] = {name: self._space[name] for name in names}
        self._stand_ins = {name: make(name, self._found) for name in names}
        self._pick = operator.itemgetter(*names, names[0])  # of two or more, so that it gives a tuple
        self._before = self._pick(self._found)
        self._standing = self._pick(self._stand_ins)

    def put_up(self) -> None:
        now = self._pick(self._space)
        if now != self._before:
            self._before = now
            for name, function in zip(self._found, now, strict=False):
                if function is not self._stand_ins[name]:  # left behind by an interrupt: it would call itself for ever
                    self._found[name] = function
        self._space.update(self._stand_ins)

    def take_down(self) -> None:
        if self._pick(self._space) == self._standing:
            self._space.update(self._found)
            return
        for name, stand_in in self._stand_ins.items():  # somebody put something else in a place: it stays
            if self._space[name] is stand_in:
                self._space[name] = self._found[name]


class _Sites:
    """All replaced functions of the process, in place (and the collector at rest) while at least one thread decides."""

    def __init__(self) -> None:
        self._modules = [
            _Module(module, _refusing(module, remedies), list(remedies)) for module, remedies in _by_module().items()
        ]
        self._modules.append(_Module(linecache, _lifting, ["checkcache", "updatecache"]))  # tracebacks may be formatted
        self._lock = threading.Lock()
        self._users = 0
        self._methods_stand = False
        self._collecting = False

    def put_up(self) -> None:
        with self._lock:
            self._users += 1
            if self._users > 1:
                return
            if not self._methods_stand:
                _replace_methods()
                self._methods_stand = True
            for module in self._modules:
                module.put_up()
            self._collecting = gc.isenabled()
            gc.disable()

    def take_down(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users:
                return
            for module in self._modules:
                module.take_down()
            if self._collecting:
                gc.enable()


def _by_module() -> dict[ModuleType, dict[str, str]]:
    found: dict[ModuleType, dict[str, str]] = {}
    for module, name, remedy in banned.functions():
        found.setdefault(module, {})[name] = remedy
    return found


def _refusing(module: ModuleType, remedies: dict[str, str]) -> Callable[[str, dict[str, _Function]], _Function]:
    def make(name: str, found: dict[str, _Function]) -> _Function:
        said = banned.message(f"{module.__name__}.{name}", remedies[name])

        def stand_in(*args: Any, **kwargs: Any) -> Any:
            if deciding.is_deciding():
                raise _refusal(said)
            return found[name](*args, **kwargs)

        return stand_in

    return make


def _lifting(name: str, found: dict[str, _Function]) -> _Function:
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        with deciding.lifted():
            return found[name](*args, **kwargs)

    return stand_in


def _replace_methods() -> None:
    for owner, name, remedy in banned.METHODS:
        what = owner.__name__ if name == "__init__" else f"{owner.__name__.strip('_')}.{name}"
        setattr(owner, name, _method(getattr(owner, name), banned.message(what, remedy), lambda _args, _kwargs: True))
    said = banned.message("random.Random", "give it a seed, such as flow.info().run_id")
    seed = _method(random.Random.seed, said, lambda args, kwargs: (args[0] if args else kwargs.get("a")) is None)
    random.Random.seed = seed  # type: ignore[method-assign]


def _method(found: _Function, said: str, applies: Callable[[tuple[Any, ...], dict[str, Any]], bool]) -> _Function:
    def stand_in(self: Any, *args: Any, **kwargs: Any) -> Any:
        if deciding.is_deciding() and applies(args, kwargs):
            raise _refusal(said)
        return found(self, *args, **kwargs)

    stand_in.__name__ = stand_in.__qualname__ = getattr(found, "__name__", "stand_in")
    return stand_in


def _refusal(message: str) -> errors.NonDeterministicCall:
    """The error to raise; the decision is withheld even if the workflow catches it."""
    error = errors.NonDeterministicCall(message)
    running = asyncio._get_running_loop()
    if isinstance(running, loop.Loop):
        running.instance.withhold(error)
    return error


_SITES = _Sites()
