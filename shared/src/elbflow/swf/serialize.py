"""Arguments of SWF calls as wire members: small pure functions (spec/swf-semantics 1.6, appendix A)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from elbflow.swf import model

NO_TIMEOUT = "NONE"


def present(**members: Any) -> dict[str, Any]:
    """``members`` without those that are None: SWF wants absent members, not nulls."""
    return {name: value for name, value in members.items() if value is not None}


def seconds(value: timedelta | None) -> str | None:
    """Whole seconds as the wire's decimal string, rounded up so that no deadline gets shorter."""
    return None if value is None else str(math.ceil(value.total_seconds()))


def seconds_or_none(value: timedelta | None) -> str:
    """Like :func:`seconds`, with ``NONE`` (no deadline) for None."""
    return seconds(value) or NO_TIMEOUT


def type_id(value: model.TypeId) -> dict[str, str]:
    return {"name": value.name, "version": value.version}


def execution(value: model.Execution) -> dict[str, str]:
    return {"workflowId": value.workflow_id, "runId": value.run_id}


def task_list(name: str | None) -> dict[str, str] | None:
    return None if name is None else {"name": name}


def decisions(values: Sequence[model.Decision]) -> list[dict[str, Any]]:
    """Decisions as ``decisionType`` plus the attribute block of that type."""
    return [{"decisionType": value.type, value.attributes_member: dict(value.attributes)} for value in values]


def execution_filter(workflow_id: str | None, tag: str | None) -> Mapping[str, Any]:
    """The one filter that a listing may carry beside its time filter; ``ValueError`` when both are given."""
    if workflow_id is not None and tag is not None:
        raise ValueError("filter by workflow id or by tag, not by both")
    if workflow_id is not None:
        return {"executionFilter": {"workflowId": workflow_id}}
    return {} if tag is None else {"tagFilter": {"tag": tag}}
