"""Pure: in what a running HAProxy differs from the model it should serve (spec/vm-agent REQ-1.2, REQ-3.3).

After every change the answer must be: in nothing. Servers that drain are no difference; they are on their way out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from elbflow import errors
from elbflow_agent.haproxy import diff, model, running, steps


class Disagreement(errors.Retryable):
    """HAProxy obeyed every command and still does not serve what it should."""


@dataclass(frozen=True, slots=True)
class Difference:
    """``kind`` is one of version, listener, server, address, state and certificate; ``what`` is for people."""

    kind: str
    what: str


def differences(
    actual: running.Running, wanted: model.Model, wanted_tag: str, *, leaving: Collection[running.ServerKey] = ()
) -> tuple[Difference, ...]:
    """All of them; ``leaving`` are servers that may still be there but must take no new traffic."""
    return steps.at_once(finding_differences(actual, wanted, wanted_tag, leaving))


def finding_differences(
    actual: running.Running, wanted: model.Model, wanted_tag: str, leaving: Collection[running.ServerKey]
) -> steps.Steps[tuple[Difference, ...]]:
    """:func:`differences` in steps."""
    found = [*_structure(actual, wanted, wanted_tag)]
    for listener in wanted.listeners:
        for server, instead in diff.strays(actual.servers, listener):
            found += _server(instead, _name((listener.backend, server.name)), server)
        yield len(listener.servers)
    for key in diff.departed(actual, wanted):
        if key not in leaving:
            found.append(Difference("server", f"{_name(key)} is there and should not be"))
        elif actual.servers[key].admin is model.Admin.READY:
            found.append(Difference("state", f"{_name(key)} takes traffic and should leave"))
    return tuple(found)


def _structure(actual: running.Running, wanted: model.Model, wanted_tag: str) -> Iterator[Difference]:
    if actual.tag != wanted_tag:
        yield Difference("version", f"version {actual.tag or 'unknown'} instead of {wanted_tag}")
    for port in sorted(actual.ports ^ wanted.ports):
        yield Difference(
            "listener", f"listener {port} is {'missing' if port in wanted.ports else 'there and not wanted'}"
        )


def _server(found: running.Situated | None, name: str, wanted: model.Server) -> Iterator[Difference]:
    if found is None:
        yield Difference("server", f"{name} is missing")
        return
    if (found.address, found.port) != (wanted.address, wanted.port):
        there, should = f"{found.address}:{found.port}", f"{wanted.address}:{wanted.port}"
        yield Difference("address", f"{name} is at {there} instead of {should}")
    if found.admin is not wanted.admin:
        yield Difference("state", f"{name} is {found.admin} instead of {wanted.admin}")


def _name(key: running.ServerKey) -> str:
    return f"server {key[0]}/{key[1]}"
