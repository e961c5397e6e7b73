"""What the worker passes on to the servo: the original's XML, as it came."""

from __future__ import annotations

from elbflow_agent import ipc

SET_LOAD_BALANCER = ipc.Method("set-original-load-balancer", str, type(None))
SET_POLICY = ipc.Method("set-original-policy", str, type(None))
