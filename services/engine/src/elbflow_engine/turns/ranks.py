"""How important each operation is when not all can be served (spec/swf-long-poll-scale 6.8)."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from elbflow_engine import core

LARGEST_COST = 64
_PAGE_COST = 4


class Rank(enum.IntEnum):
    """Smaller is served first: what finishes work under way goes before what begins new work."""

    RESPOND = 0
    CONTROL = 1
    POLL = 2
    START = 3
    OTHER = 4

    @property
    def label(self) -> str:
        return self.name.lower()


class Shed(enum.IntEnum):
    """How dispensable an operation is: what the level of shedding reaches is refused."""

    VISIBILITY = 1
    START = 2
    NEVER = 3

    @property
    def label(self) -> str:
        return self.name.lower()


_RANKS: Mapping[str, Rank] = {
    "RespondDecisionTaskCompleted": Rank.RESPOND,
    "RespondActivityTaskCompleted": Rank.RESPOND,
    "RespondActivityTaskFailed": Rank.RESPOND,
    "RespondActivityTaskCanceled": Rank.RESPOND,
    "RecordActivityTaskHeartbeat": Rank.RESPOND,
    "SignalWorkflowExecution": Rank.CONTROL,
    "RequestCancelWorkflowExecution": Rank.CONTROL,
    "TerminateWorkflowExecution": Rank.CONTROL,
    "PollForActivityTask": Rank.POLL,
    "PollForDecisionTask": Rank.POLL,
    "StartWorkflowExecution": Rank.START,
}


def rank(operation: str) -> Rank:
    """The class of an operation. Later pages of a decision task are polls too: its decider waits for them."""
    return _RANKS.get(operation, Rank.OTHER)


def shed(operation: str) -> Shed:
    """When an operation is given up while commits are slow."""
    if operation == "StartWorkflowExecution":
        return Shed.START
    if operation.startswith(("List", "Count")) or operation == "GetWorkflowExecutionHistory":
        return Shed.VISIBILITY
    return Shed.NEVER


def cost(operation: str, params: core.Object) -> int:
    """About how much work a request is, 1 for a short one, at most ``LARGEST_COST``."""
    if operation == "RespondDecisionTaskCompleted":
        decisions = params.get("decisions")
        return min(LARGEST_COST, max(1, len(decisions) if isinstance(decisions, list) else 1))
    return _PAGE_COST if shed(operation) is Shed.VISIBILITY else 1
