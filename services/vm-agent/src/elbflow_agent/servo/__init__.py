"""The servo: owns HAProxy and the health checks of one VM and answers the worker's three requests."""

from __future__ import annotations

from elbflow_agent.servo.ledger import Ledger
from elbflow_agent.servo.options import ServoOptions, ServoStatistics, draining_s
from elbflow_agent.servo.servo import Servo, WrongLoadBalancer

__all__ = ["Ledger", "Servo", "ServoOptions", "ServoStatistics", "WrongLoadBalancer", "draining_s"]
