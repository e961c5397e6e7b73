"""Faults: an error of a call as it goes over the wire (spec/elb-control-plane 1.4)."""

from __future__ import annotations

from collections.abc import Sequence

from elbflow import errors
from elbflow_api.query import model


class Fault(errors.ElbflowError):
    """The call failed.

    ``code`` and ``status`` are the wire's, ``sender`` tells whether the caller is to blame. ``message`` may be shown
    to anyone: it holds no secret and may quote the caller's own words.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, sender: bool = True) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.sender = sender


def modelled(shape: str, message: str, service: str = model.SERVICE) -> Fault:
    """A fault that the service's model knows, by the name of its exception shape."""
    known = model.fault_shapes(service)[shape]
    return Fault(known.code, message, status=known.status, sender=known.sender)


def validation_error(message: str) -> Fault:
    """A parameter has a value that the service never accepts."""
    return Fault("ValidationError", message)


def violations_found(violations: Sequence[str]) -> Fault:
    """All violations of the model's constraints in one message, in AWS's words."""
    count = len(violations)
    noun = "error" if count == 1 else "errors"
    return validation_error(f"{count} validation {noun} detected: " + "; ".join(violations))
