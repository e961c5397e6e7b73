"""Helpers for tests, public so that every service's tests can use them. Production code never imports this."""

from __future__ import annotations

from elbflow.flow.testing.entities import OpenActivity, OpenTimer
from elbflow.flow.testing.fakes import Never, TimesOut
from elbflow.flow.testing.swf_run import SwfRun
from elbflow.testing.workflows import WorkflowRun

__all__ = ["Never", "OpenActivity", "OpenTimer", "SwfRun", "TimesOut", "WorkflowRun"]
