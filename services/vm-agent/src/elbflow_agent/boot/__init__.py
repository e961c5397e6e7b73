"""What a VM learns when it boots: from its user data, and from the cloud's metadata service."""

from __future__ import annotations

from elbflow_agent.boot.metadata import MetadataService, MetadataUnavailable
from elbflow_agent.boot.servo_conf import UnusableServoConf
from elbflow_agent.boot.source import BootSource

__all__ = ["BootSource", "MetadataService", "MetadataUnavailable", "UnusableServoConf"]
