"""Requests and replies between worker and servo over Redis on a unix socket (spec/vm-agent-data-plane 1.4, REQ-1.1).

Unlike the original's contract every request has an id, a deadline and an owner of its reply, so late answers meet
nobody, nothing accumulates, and either process may die alone.
"""

from __future__ import annotations

from elbflow_agent.ipc.client import Client, NoAnswer, NoServo, ServoFailed, ServoRefused
from elbflow_agent.ipc.connection import Connect, unix_socket
from elbflow_agent.ipc.messages import APPLY, HEALTH, METRICS, HealthQuery, Method, MetricsQuery
from elbflow_agent.ipc.server import Handlers, Server

__all__ = [
    "APPLY",
    "HEALTH",
    "METRICS",
    "Client",
    "Connect",
    "Handlers",
    "HealthQuery",
    "Method",
    "MetricsQuery",
    "NoAnswer",
    "NoServo",
    "Server",
    "ServoFailed",
    "ServoRefused",
    "unix_socket",
]
