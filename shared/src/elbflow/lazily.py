"""Names of a package that are loaded when somebody uses them: modules are most of a small process's memory."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Collection
from typing import Any


def forward(package: str, names: Collection[str], module: str) -> Callable[[str], Any]:
    """A ``__getattr__`` for ``package``, which has those of ``names`` that it does not define from ``module``.

    They are loaded together, at the first use of any of them. Hide it from the type checker, which else takes any name
    for one of the package's; show it the imports instead.
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        loaded = importlib.import_module(module)
        defined = vars(sys.modules[package])
        for each in names:
            if each not in defined:
                defined[each] = getattr(loaded, each)
        return defined[name]

    return find
