"""Calls that workflow code must not make, found by reading its bytecode (spec/anchors 3.8 rule 7).

Guards cannot replace what a module imported by name (``from time import time``), nor methods of C classes
(``datetime.now``). Both are visible in the code: this module follows the calls of a workflow class through its
methods and through the plain functions they name, up to the standard library's and other distributions' edge.

What it cannot see: methods of other objects, functions kept in variables, and the order of sets of plain objects.
Functions handed to ``flow.side_effect`` are not calls and may do as they like; so may lambdas and plain inner
functions of code that uses it.
"""

from __future__ import annotations

import dis
import inspect
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from elbflow.flow import banned, errors

_FOREIGN = tuple(
    sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib") if sysconfig.get_path(name)
)
_RUNTIME = __file__.rpartition("/")[0] + "/"
_NOTHING: object = object()


def lint(*workflow_classes: type) -> tuple[str, ...]:
    """One line for each call in the classes' code that is not reproducible, with place and remedy; for CI."""
    return tuple(finding for cls in workflow_classes for finding in _findings(cls))


def check(workflow_class: type) -> None:
    """Raise :class:`errors.NonDeterministicCall` for what :func:`lint` finds."""
    found = lint(workflow_class)
    if found:
        raise errors.NonDeterministicCall("\n".join(found))


def _findings(cls: type) -> Iterator[str]:
    waiting = [member for member in _methods(cls) if _is_ours(member.__code__)]
    seen = {function.__code__ for function in waiting}
    while waiting:
        function = waiting.pop(0)
        for code in _run_codes(function.__code__):
            for called, line in _calls(code, function.__globals__):
                remedy = _remedy(called)
                if remedy is not None:
                    yield f"{remedy} at {code.co_filename}:{line} in {code.co_qualname}"
                elif isinstance(called, FunctionType) and called.__code__ not in seen and _is_ours(called.__code__):
                    seen.add(called.__code__)
                    waiting.append(called)


def _methods(cls: type) -> Iterator[FunctionType]:
    for owner in cls.__mro__:
        for member in vars(owner).values():
            function = inspect.unwrap(getattr(member, "__func__", getattr(member, "fget", member)) or member)
            if isinstance(function, FunctionType):
                yield function


def _is_ours(code: CodeType) -> bool:
    """Whether the code belongs neither to Python, nor to an installed distribution, nor to this runtime."""
    return not code.co_filename.startswith((*_FOREIGN, _RUNTIME, "<frozen"))


def _run_codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code and that of the functions inside it."""
    yield code
    lifted = "side_effect" in code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and not (lifted and not constant.co_flags & inspect.CO_COROUTINE):
            yield from _run_codes(constant)


def _calls(code: CodeType, names: dict[str, Any]) -> Iterator[tuple[object, int]]:
    """What ``code`` calls by a global name, or by attributes of one, each with its source line."""
    line, value, called = code.co_firstlineno, _NOTHING, False
    for step in dis.get_instructions(code):
        flagged = bool(step.arg and step.arg & 1)  # a call's callee is loaded together with a NULL
        match step.opname:
            case "LOAD_ATTR" | "LOAD_METHOD":
                value = getattr(value, step.argval, _NOTHING) if isinstance(value, (ModuleType, type)) else _NOTHING
                called = called or step.opname == "LOAD_METHOD" or (flagged and sys.version_info >= (3, 12))
                continue
            case "PUSH_NULL":  # 3.13 puts it behind the callee
                called = True
        if called and value is not _NOTHING:
            yield value, line
        line = (step.positions.lineno if step.positions is not None else None) or line
        value, called = _NOTHING, False
        if step.opname == "LOAD_GLOBAL":
            value, called = _global(names, step.argval), flagged
    for module, name, line in _imports(code):
        value = getattr(module, name, _NOTHING)
        if _remedy(value) is not None:  # imported where it runs, it is meant to be called
            yield value, line


def _imports(code: CodeType) -> Iterator[tuple[object, str, int]]:
    """``from module import name`` inside a function."""
    module: object = _NOTHING
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME":
            module = sys.modules.get(step.argval, _NOTHING)
        elif step.opname == "IMPORT_FROM":
            yield module, step.argval, (step.positions.lineno if step.positions else None) or code.co_firstlineno


def _global(names: dict[str, Any], name: str) -> object:
    if name in names:
        return names[name]
    built_in = names.get("__builtins__", {})
    return (built_in if isinstance(built_in, dict) else vars(built_in)).get(name, _NOTHING)


def _remedy(called: object) -> str | None:
    for candidate, said in _BANNED:
        if candidate is called or (not isinstance(called, type) and candidate == called):
            return said
    return None


def _banned() -> Iterable[tuple[object, str]]:
    for module, name, remedy in banned.functions():
        yield getattr(module, name), banned.message(f"{module.__name__}.{name}", remedy)
    for owner, names, remedy in banned.ATTRIBUTES:
        for name in names.split():
            yield getattr(owner, name), banned.message(f"{owner.__name__}.{name}", remedy)


_BANNED = tuple(_banned())
