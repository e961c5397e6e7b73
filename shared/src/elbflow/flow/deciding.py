"""Whether the code that runs now is a workflow's: a context variable, so that other tasks and threads are not meant."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

_deciding: contextvars.ContextVar[bool] = contextvars.ContextVar("elbflow_deciding", default=False)


def is_deciding() -> bool:
    return _deciding.get()


@contextlib.contextmanager
def marked() -> Iterator[None]:
    """Count the block, and the tasks it creates, as workflow code."""
    token = _deciding.set(True)
    try:
        yield
    finally:
        _deciding.reset(token)


@contextlib.contextmanager
def lifted() -> Iterator[None]:
    """Let the runtime's own code pass: it may log, or build a codec, on behalf of a workflow."""
    token = _deciding.set(False)
    try:
        yield
    finally:
        _deciding.reset(token)
