"""The workflows of this build: named on the command line, or announced by installed packages."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata

from elbflow import errors
from elbflow.flow import definition

GROUP = "elbflow.workflows"
"""Entry points of packages that have workflows: ``NAME = "package.module:ALL"``."""

_OURS = "elbflow_decider.workflows:ALL"


class NoSuchWorkflows(errors.Permanent):
    """There are no workflows where they should be."""


def load(places: Sequence[str] = ()) -> list[type]:
    """The workflow classes at ``places`` (``module`` or ``module:name``), else those of installed packages.

    ``name`` is a workflow class or a collection of them; a module alone stands for all classes that it has. Modules of
    the working directory are found, too. Raises :class:`NoSuchWorkflows`.
    """
    if places and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    announced = sorted({point.value for point in metadata.entry_points(group=GROUP)}) or [_OURS]
    found = [one for place in (places or announced) for one in _at(place)]
    return list(dict.fromkeys(found))


def named(classes: Iterable[type], name: str) -> type:
    """The class whose type or own name is ``name``. Raises :class:`NoSuchWorkflows`, also when several are."""
    known = list(classes)
    found = [one for one in known if name in (one.__name__, definition.definition(one).signature.name)]
    if len(found) != 1:
        there = ", ".join(sorted(definition.definition(one).signature.name for one in known))
        raise NoSuchWorkflows(f"{len(found)} workflows of this build are called {name}; there are {there}")
    return found[0]


def _at(place: str) -> list[type]:
    module_name, _, attribute = place.partition(":")
    try:
        module = importlib.import_module(module_name)
        value = getattr(module, attribute) if attribute else list(vars(module).values())
    except (ImportError, AttributeError) as error:
        raise NoSuchWorkflows(f"there are no workflows at {place}: {error}") from error
    found = [one for one in (value if isinstance(value, Iterable) else [value]) if _is_workflow(one)]
    if not found:
        raise NoSuchWorkflows(f"there are no workflows at {place}: no class there is decorated with flow.workflow")
    return found


def _is_workflow(value: object) -> bool:
    if not isinstance(value, type):
        return False
    try:
        definition.definition(value)
    except TypeError:
        return False
    return True
