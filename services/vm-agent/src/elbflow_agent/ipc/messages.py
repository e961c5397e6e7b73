"""What travels through Redis, and under which keys.

A request is published on the VM's channel, so that the number of receivers tells at once whether a servo listens. Its
reply is pushed to the list of the process that asked; the list expires when nobody fetches from it. A servo that begins
to listen says so to all workers: what they asked before may have been lost with its predecessor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import pydantic

from elbflow import errors
from elbflow.contract import document

In = TypeVar("In")
Out = TypeVar("Out")
_T = TypeVar("_T")

PREFIX = "elbflow:"
ARRIVALS = f"{PREFIX}servos"
"""Channel on which a servo that begins to listen publishes its VM's instance id."""

AT_ONCE = 64
"""Messages with one question to Redis: documents may be large, and the next ones should not wait for all of them."""

FORGET = "forget"
"""Method of a request without an answer: nobody waits any more for the one whose id is the body."""


class Malformed(errors.Defect):
    """A message does not have the expected form."""


def channel(instance_id: str) -> str:
    """Where requests to the servo of a VM are published."""
    return f"{PREFIX}vm:{instance_id}:requests"


def instance_of(name: str) -> str:
    """The VM whose :func:`channel` is ``name``."""
    return name.removeprefix(f"{PREFIX}vm:").removesuffix(":requests")


def reply_list(client_id: str) -> str:
    """Where replies to one worker process are pushed."""
    return f"{PREFIX}worker:{client_id}:replies"


@dataclass(frozen=True, slots=True)
class HealthQuery:
    """Answer when the digest differs from ``known_digest``, or after ``wait_s``."""

    known_digest: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class MetricsQuery:
    """Settle report ``acknowledge`` and report what is due."""

    acknowledge: int


@dataclass(frozen=True, slots=True)
class Request:
    """``deadline`` is in epoch seconds: both ends are on one machine. ``body`` is the method's argument as JSON."""

    id: str
    method: str
    reply_to: str
    deadline: float
    body: str


@dataclass(frozen=True, slots=True)
class Reply:
    """``error`` is empty or the branch of the error tree: ``permanent``, ``retryable``, ``defect``."""

    id: str
    body: str = ""
    error: str = ""
    message: str = ""


class Method(Generic[In, Out]):
    """One request with the types of its argument and its answer."""

    def __init__(self, name: str, argument: type[In], answer: type[Out]) -> None:
        self.name = name
        self._argument: pydantic.TypeAdapter[In] = pydantic.TypeAdapter(argument)
        self._answer: pydantic.TypeAdapter[Out] = pydantic.TypeAdapter(answer)

    def encode_argument(self, value: In) -> str:
        return self._argument.dump_json(value).decode()

    def decode_argument(self, text: str) -> In:
        return _decoded(self._argument, text)

    def encode_answer(self, value: Out) -> str:
        return self._answer.dump_json(value).decode()

    def decode_answer(self, text: str) -> Out:
        return _decoded(self._answer, text)


APPLY = Method("set-load-balancer", document.LoadBalancerDocument, document.Applied)
HEALTH = Method("get-instance-status", HealthQuery, document.HealthReport)
METRICS = Method("get-cloudwatch-metrics", MetricsQuery, document.MetricsReport)

_REQUEST = pydantic.TypeAdapter(Request)
_REPLY = pydantic.TypeAdapter(Reply)


def encode_request(request: Request) -> bytes:
    return _REQUEST.dump_json(request)


def decode_request(data: bytes) -> Request:
    return _decoded(_REQUEST, data)


def encode_reply(reply: Reply) -> bytes:
    return _REPLY.dump_json(reply)


def decode_reply(data: str | bytes) -> Reply:
    return _decoded(_REPLY, data)


def _decoded(adapter: pydantic.TypeAdapter[_T], data: str | bytes) -> _T:
    try:
        return adapter.validate_json(data)
    except pydantic.ValidationError as error:
        raise Malformed(f"malformed message: {error.error_count()} errors in {error.title}") from error
