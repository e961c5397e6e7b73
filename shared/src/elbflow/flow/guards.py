"""While a workflow decides, calls whose outcome is not in its history fail with the remedy (spec/anchors 3.8 rule 7).

The guards stand in place only for the length of a decision, and a context variable limits them to the workflow's own
code: other threads and other tasks never meet them. Names imported beforehand (``from time import time``) are the
import linter's business.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import os
import random
import secrets
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from elbflow.flow import deciding, errors
from elbflow.flow.core import loop

_CLOCK = "use flow.now() and flow.sleep()"
_CHANCE = "draw it in an activity and pass the result on"
_WORLD = "do it in an activity"
_BANNED: tuple[tuple[Any, str, str], ...] = (
    (time, "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns sleep localtime gmtime", _CLOCK),
    (random, "random randint randrange choice choices sample shuffle uniform getrandbits gauss expovariate", _CHANCE),
    (secrets, "token_bytes token_hex token_urlsafe randbelow choice", _CHANCE),
    (uuid, "uuid1 uuid4", _CHANCE),
    (os, "urandom getenv system listdir scandir remove mkdir", _WORLD),
    (builtins, "open input", _WORLD),
    (socket, "create_connection getaddrinfo gethostbyname", _WORLD),
    (socket.socket, "__init__", _WORLD),
    (subprocess.Popen, "__init__", _WORLD),
    (threading.Thread, "start", "workflows have no threads; use tasks"),
)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Guard the calling context for the length of the block, which must neither await nor be entered twice."""
    with deciding.marked():
        try:
            for guard in _GUARDS:
                guard.put_up()
            yield
        finally:
            for guard in _GUARDS:
                guard.take_down()


class _Guard:
    """One replaced function; ``put_up`` takes what stands there at that moment, which need not be the original."""

    def __init__(self, owner: Any, name: str, remedy: str) -> None:
        self._owner = owner
        self._name = name
        self._found: Callable[..., Any] = getattr(owner, name)
        what = owner.__name__ if name == "__init__" else f"{owner.__name__}.{name}"

        def stand_in(*args: Any, **kwargs: Any) -> Any:  # a plain function, so that it also binds as a method
            if deciding.is_deciding():
                raise _refusal(f"{what}() is not reproducible inside a workflow: {remedy}")
            return self._found(*args, **kwargs)

        self._stand_in = stand_in

    def put_up(self) -> None:
        self._found = getattr(self._owner, self._name)
        setattr(self._owner, self._name, self._stand_in)

    def take_down(self) -> None:
        if getattr(self._owner, self._name) is self._stand_in:
            setattr(self._owner, self._name, self._found)


def _refusal(message: str) -> errors.NonDeterministicCall:
    """The error to raise; the decision is withheld even if the workflow catches it."""
    error = errors.NonDeterministicCall(message)
    running = asyncio._get_running_loop()
    if isinstance(running, loop.Loop):
        running.instance.withhold(error)
    return error


_GUARDS = tuple(_Guard(owner, name, remedy) for owner, names, remedy in _BANNED for name in names.split())
