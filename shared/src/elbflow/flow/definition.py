"""Binding workflow classes to their signatures: the ``workflow`` and ``signal`` decorators."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from elbflow import swf
from elbflow.flow.signatures import In, Out, SignalSignature, WorkflowSignature

W = TypeVar("W")
C = TypeVar("C", bound=type)

_DEFINITION = "__flow_definition__"
_SIGNAL = "__flow_signal__"


@dataclass(frozen=True, slots=True)
class WorkflowDefinition:
    """A workflow class with its signature and its signal methods, keyed by signal name."""

    cls: type[Any]
    signature: WorkflowSignature[Any, Any]
    signals: Mapping[str, tuple[str, SignalSignature[Any]]]

    @property
    def type(self) -> swf.TypeId:
        return self.signature.type


def workflow(signature: WorkflowSignature[In, Out]) -> Callable[[C], C]:
    """Class decorator: ``cls`` implements ``signature``.

    The class is created without arguments, once per replay; ``async def run(self, request)`` is the workflow, and its
    methods under :func:`signal` receive signals.
    """

    def bind(cls: C) -> C:
        if not inspect.iscoroutinefunction(getattr(cls, "run", None)):
            raise TypeError(f"{cls.__qualname__}: a workflow needs «async def run(self, request)»")
        setattr(cls, _DEFINITION, WorkflowDefinition(cls, signature, _signals(cls)))
        return cls

    return bind


def signal(signature: SignalSignature[In]) -> Callable[[Callable[[W, In], None]], Callable[[W, In], None]]:
    """Method decorator: a plain method that receives a signal's value.

    It is called in history order, before any code that awaits runs on; it changes the workflow's fields and returns.
    """

    def bind(method: Callable[[W, In], None]) -> Callable[[W, In], None]:
        if inspect.iscoroutinefunction(method):
            raise TypeError(f"{signature.name}: signal methods are plain functions; let run() await what they set")
        setattr(method, _SIGNAL, signature)
        return method

    return bind


def definition(workflow_class: type) -> WorkflowDefinition:
    """The definition of a decorated class; TypeError for any other."""
    found = workflow_class.__dict__.get(_DEFINITION)
    if not isinstance(found, WorkflowDefinition):
        raise TypeError(f"{workflow_class.__qualname__} is not decorated with flow.workflow")
    return found


def _signals(cls: type) -> dict[str, tuple[str, SignalSignature[Any]]]:
    found: dict[str, tuple[str, SignalSignature[Any]]] = {}
    for name, member in inspect.getmembers(cls, inspect.isfunction):
        signature = getattr(member, _SIGNAL, None)
        if isinstance(signature, SignalSignature):
            if signature.name in found:
                raise TypeError(f"{cls.__qualname__}: two methods receive signal {signature.name}")
            found[signature.name] = (name, signature)
    return found
