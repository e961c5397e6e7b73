"""Pure: what reaching a model would take, by which means and why; ``elbflow plan`` shows it (spec/anchors 1.4 no. 9).

The same comparison that :mod:`elbflow_agent.haproxy.apply` acts on, told instead of done.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from elbflow.contract import document
from elbflow_agent.haproxy import diff, model, running

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


_RUNTIME = frozenset({"listeners", "servers", "certificate"})


class Means(enum.StrEnum):
    """How a step is made, from the cheapest to the one that interrupts most."""

    RUNTIME = "runtime"
    RELOAD = "reload"
    START = "start"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that would change. ``port`` None concerns all listeners."""

    means: Means
    port: int | None
    what: str


@dataclass(frozen=True, slots=True)
class Preview:
    """``steps`` is empty when there is nothing to do; ``why`` are the reasons for a reload or start, if any."""

    steps: tuple[Step, ...]
    why: tuple[str, ...] = ()
    problems: tuple[document.ListenerProblem, ...] = ()


def preview(
    actual: running.Running | None, served: model.Model | None, wanted: model.Model, wanted_tag: str, *, drain_s: float
) -> Preview:
    """From ``actual``, in which ``served`` was put in force last, to ``wanted``; departed servers drain ``drain_s``."""
    if actual is None:
        started = tuple(Step(Means.START, each.port, _listener(each)) for each in wanted.listeners)
        return Preview(started, ("HAProxy does not run",))
    reloads = diff.needs_reload(actual, wanted_tag)
    means = Means.RELOAD if reloads else Means.RUNTIME
    structural = tuple(_structure(served, wanted)) if reloads else ()
    if reloads and not structural:
        # The agent was updated, say, and writes the same load balancer in other words.
        structural = (Step(means, None, f"the configuration that runs ({actual.tag}) is written differently now"),)
    new = wanted.ports - actual.ports
    steps = [*structural, *_certificates(served, wanted)]
    steps += [Step(means, *_told(change)) for change in diff.membership(actual, wanted) if _counts(change, new)]
    for backend, name in diff.departed(actual, wanted):
        port = model.port_of(backend)
        if port in wanted.ports:
            steps.append(Step(means, port, f"{name} leaves: no new requests, removed within {drain_s:g} s"))
    return Preview(tuple(steps), tuple(step.what for step in structural))


def _structure(served: model.Model | None, wanted: model.Model) -> Iterator[Step]:
    if served is None:
        return
    for what in _changes(served, wanted):
        yield Step(Means.RELOAD, None, what)
    listeners = {each.port: each for each in served.listeners}
    for listener in wanted.listeners:
        known = listeners.pop(listener.port, None)
        if known is None:
            yield Step(Means.RELOAD, listener.port, _listener(listener))
            continue
        for what in _changes(known, listener):
            yield Step(Means.RELOAD, listener.port, f"listener {listener.port}: {what}")
    for port in sorted(listeners):
        yield Step(Means.RELOAD, port, f"listener {port} is removed; its connections may finish")


def _certificates(served: model.Model | None, wanted: model.Model) -> Iterator[Step]:
    before = served.certificates if served is not None else {}
    for port, certificate in wanted.certificates.items():
        if port in before and before[port] != certificate:
            yield Step(Means.RUNTIME, port, f"listener {port} shows another certificate")


def _changes(before: DataclassInstance, after: DataclassInstance) -> Iterator[str]:
    """Differences of two values of one type, but for what the runtime API can change."""
    for each in dataclasses.fields(before):
        old, new = getattr(before, each.name), getattr(after, each.name)
        if each.name in _RUNTIME or old == new:
            continue
        name, unit = each.name.removesuffix("_s").replace("_", " "), " s" if each.name.endswith("_s") else ""
        if old in (None, ()):
            yield f"{name} is set"
        elif new in (None, ()):
            yield f"{name} is taken away"
        elif _is_value(old) and _is_value(new):
            yield from (f"{name}: {what}" for what in _changes(old, new))
        elif isinstance(old, bool) and isinstance(new, bool):
            yield f"{name} is switched {'on' if new else 'off'}"
        elif isinstance(old, enum.Enum | int) and isinstance(new, enum.Enum | int):
            yield f"{name} {old}{unit} becomes {new}{unit}"
        else:
            yield f"{name} changes"  # it may be a key


def _is_value(thing: object) -> TypeGuard[DataclassInstance]:
    return dataclasses.is_dataclass(thing) and not isinstance(thing, type)


def _listener(added: model.Listener) -> str:
    count = len(added.servers)
    return f"listener {added.port} ({added.mode}) is added with {count} server{'' if count == 1 else 's'}"


def _counts(change: diff.Change, new: frozenset[int]) -> bool:
    """Servers of a new listener come with it, cookies with their servers."""
    return not isinstance(change, diff.ComputeCookies) and _told(change)[0] not in new


def _told(change: diff.Change) -> tuple[int | None, str]:
    match change:
        case diff.AddServer(listener, server):
            return listener.port, f"{server.name} joins at {server.address}:{server.port}"
        case diff.SetAddress((backend, name), address, port):
            return model.port_of(backend), f"{name} moves to {address}:{port}"
        case diff.SetState((backend, name), admin):
            takes = "gets traffic" if admin is model.Admin.READY else "gets no more traffic"
            return model.port_of(backend), f"{name} {takes}"
        case diff.ComputeCookies(backend):
            return model.port_of(backend), "cookies are computed"
        case diff.ShutdownSessions((backend, name)) | diff.DeleteServer((backend, name)):
            return model.port_of(backend), f"{name} is removed"
