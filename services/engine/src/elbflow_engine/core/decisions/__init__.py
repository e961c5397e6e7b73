"""RespondDecisionTaskCompleted and the thirteen decisions, one module per family (spec/swf-semantics 7)."""

from __future__ import annotations

from elbflow_engine.core.decisions.complete import respond_completed

__all__ = ["respond_completed"]
