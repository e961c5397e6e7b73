"""The SWF wire protocol: HTTP, JSON, signatures, and the checks that come before the core."""

from __future__ import annotations

from elbflow_engine.wire.admission import Admission
from elbflow_engine.wire.callers import ELB_ROLES, SERVICE, Callers, Rules
from elbflow_engine.wire.connection import Connection
from elbflow_engine.wire.endpoint import Endpoint
from elbflow_engine.wire.gate import Capacity, Gate
from elbflow_engine.wire.listener import Listener
from elbflow_engine.wire.scalars import SerializationError, ValidationError
from elbflow_engine.wire.shapes import Inputs, inputs

__all__ = [
    "ELB_ROLES",
    "SERVICE",
    "Admission",
    "Callers",
    "Capacity",
    "Connection",
    "Endpoint",
    "Gate",
    "Inputs",
    "Listener",
    "Rules",
    "SerializationError",
    "ValidationError",
    "inputs",
]
