"""What must hold of every history (:mod:`elbflow_engine.histories`), under the name by which tests know it."""

from __future__ import annotations

from elbflow_engine.histories import (
    CLOSE,
    Chronicle,
    Event,
    Violation,
    attributes,
    check,
    check_together,
    parse,
    show,
)

__all__ = ["CLOSE", "Chronicle", "Event", "Violation", "attributes", "check", "check_together", "parse", "show"]
