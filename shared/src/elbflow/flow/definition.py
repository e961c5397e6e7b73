"""Binding workflow classes to their signatures: the ``workflow`` and ``signal`` decorators."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from elbflow import swf
from elbflow.flow import codec, deciding, inspection
from elbflow.flow.signatures import In, Out, SignalSignature, WorkflowSignature

W = TypeVar("W")
T = TypeVar("T")
W_contra = TypeVar("W_contra", contravariant=True)
In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)

_DEFINITION = "__flow_definition__"
_SIGNAL = "__flow_signal__"
_QUERY = "__flow_query__"


@dataclass(frozen=True, slots=True)
class WorkflowDefinition:
    """A workflow class with its signature and its signal methods, keyed by signal name.

    ``query`` gives, as payload text, what the method under :func:`query` returns.
    """

    cls: type[Any]
    signature: WorkflowSignature[Any, Any]
    signals: Mapping[str, tuple[str, SignalSignature[Any]]]
    query: Callable[[Any], str] | None = None

    @property
    def type(self) -> swf.TypeId:
        return self.signature.type

    def receivers(self, workflow: Any) -> dict[str, Callable[[str | None], None]]:
        """What takes the payloads of signals to the methods of ``workflow``, by signal name."""
        return {
            name: functools.partial(_receive, getattr(workflow, method), signature)
            for name, (method, signature) in self.signals.items()
        }


class Implementation(Protocol[W_contra, In_contra, Out_co]):
    """A class whose ``async def run(self, request)`` takes and gives what its signature says, made without arguments.

    Type checkers compare classes under :func:`workflow` with it; ``W_contra`` is the class itself.
    """

    def __call__(self) -> object: ...

    def run(self, workflow: W_contra, request: In_contra, /) -> Coroutine[Any, Any, Out_co]: ...


def workflow(signature: WorkflowSignature[In, Out]) -> Callable[[Implementation[W, In, Out]], type[W]]:
    """Class decorator: ``cls`` implements ``signature``.

    The class is created without arguments, once per replay; ``async def run(self, request)`` is the workflow, and its
    methods under :func:`signal` receive signals. Raises :class:`errors.NonDeterministicCall` when its code is seen to
    make a call that replay cannot repeat (see :mod:`elbflow.flow.inspection`).
    """

    def bind(implementation: Implementation[W, In, Out]) -> type[W]:
        cls = cast(type[W], implementation)
        if not inspect.iscoroutinefunction(getattr(cls, "run", None)):
            raise TypeError(f"{cls.__qualname__}: a workflow needs «async def run(self, request)»")
        inspection.check(cls)
        setattr(cls, _DEFINITION, WorkflowDefinition(cls, signature, _signals(cls), _query(cls)))
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


def query(method: Callable[[W], T]) -> Callable[[W], T]:
    """Method decorator: a plain method whose value is published with each decision, as the execution context.

    At most one per workflow, without arguments and with an annotated result; it looks at the workflow's fields and
    changes nothing. Callers read it with :meth:`elbflow.flow.Client.query`. A value of more than 32,768 characters is a
    defect, which withholds the decision.
    """
    if inspect.iscoroutinefunction(method) or len(inspect.signature(method).parameters) != 1:
        raise TypeError(f"{method.__qualname__}: a query is a plain method without arguments")
    setattr(method, _QUERY, True)
    return method


def definition(workflow_class: type) -> WorkflowDefinition:
    """The definition of a decorated class; TypeError for any other."""
    found = workflow_class.__dict__.get(_DEFINITION)
    if not isinstance(found, WorkflowDefinition):
        raise TypeError(f"{workflow_class.__qualname__} is not decorated with flow.workflow")
    return found


def by_type(workflow_classes: Iterable[type]) -> dict[swf.TypeId, WorkflowDefinition]:
    """The definitions of decorated classes by workflow type; TypeError for a class that is none."""
    return {found.type: found for found in map(definition, workflow_classes)}


def _signals(cls: type) -> dict[str, tuple[str, SignalSignature[Any]]]:
    found: dict[str, tuple[str, SignalSignature[Any]]] = {}
    for name, member in inspect.getmembers(cls, inspect.isfunction):
        signature = getattr(member, _SIGNAL, None)
        if isinstance(signature, SignalSignature):
            if signature.name in found:
                raise TypeError(f"{cls.__qualname__}: two methods receive signal {signature.name}")
            found[signature.name] = (name, signature)
    return found


def _receive(method: Callable[[Any], None], signature: SignalSignature[Any], payload: str | None) -> None:
    method(codec.decode(payload, signature.input_type))


def _query(cls: type) -> Callable[[Any], str] | None:
    found = [member for _, member in inspect.getmembers(cls, inspect.isfunction) if getattr(member, _QUERY, False)]
    if len(found) > 1:
        raise TypeError(f"{cls.__qualname__}: two methods are queries; return both values from one")
    return functools.partial(_published, found[0]) if found else None


def _published(method: Callable[[Any], Any], workflow: Any) -> str:
    # The annotation is read at the first use: workflow classes may name types that are defined after them.
    return codec.encode(method(workflow), _result_type(method), field="executionContext")


@functools.cache
def _result_type(method: Callable[[Any], Any]) -> Any:
    with deciding.lifted():
        hints = typing.get_type_hints(method, include_extras=True)
    if "return" not in hints:
        raise TypeError(f"{method.__qualname__}: a query says what it returns")
    return hints["return"]
