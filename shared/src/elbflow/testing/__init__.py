"""Helpers for tests, public so that every service's tests can use them. Production code never imports this."""

from __future__ import annotations

from elbflow.testing.swf_run import OpenActivity, OpenTimer, SwfRun
from elbflow.testing.workflows import Never, TimesOut, WorkflowRun

__all__ = ["Never", "OpenActivity", "OpenTimer", "SwfRun", "TimesOut", "WorkflowRun"]
