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


def whole_number(value: int | None) -> str | None:
    """The wire's decimal string."""
    return None if value is None else str(value)


def type_id(value: model.TypeId) -> dict[str, str]:
    return {"name": value.name, "version": value.version}


def execution(value: model.Execution) -> dict[str, str]:
    return {"workflowId": value.workflow_id, "runId": value.run_id}


def task_list(name: str | None) -> dict[str, str] | None:
    return None if name is None else {"name": name}


def decisions(values: Sequence[model.Decision]) -> list[dict[str, Any]]:
    """Decisions as ``decisionType`` plus the attribute block of that type."""
    return [{"decisionType": value.type, value.attributes_member: dict(value.attributes)} for value in values]


def execution_filter(
    workflow_id: str | None, tag: str | None, workflow_type: model.TypeId | None = None
) -> Mapping[str, Any]:
    """The one filter that a listing may carry beside its time filter; ``ValueError`` when several are given."""
    filters = present(
        executionFilter=None if workflow_id is None else {"workflowId": workflow_id},
        tagFilter=None if tag is None else {"tag": tag},
        typeFilter=None if workflow_type is None else type_id(workflow_type),
    )
    if len(filters) > 1:
        raise ValueError("filter by workflow id, by tag or by type, not by several of them")
    return filters
