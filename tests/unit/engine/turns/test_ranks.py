from __future__ import annotations

import pytest

from elbflow_engine import turns, wire
from elbflow_engine.turns import Rank, Shed


def test_every_operation_has_its_class() -> None:
    by_rank = {rank: {one for one in wire.inputs().operations if turns.rank(one) is rank} for rank in Rank}
    assert by_rank[Rank.RESPOND] == {
        "RecordActivityTaskHeartbeat",
        "RespondActivityTaskCanceled",
        "RespondActivityTaskCompleted",
        "RespondActivityTaskFailed",
        "RespondDecisionTaskCompleted",
    }
    assert by_rank[Rank.CONTROL] == {
        "RequestCancelWorkflowExecution",
        "SignalWorkflowExecution",
        "TerminateWorkflowExecution",
    }
    assert by_rank[Rank.POLL] == {"PollForActivityTask", "PollForDecisionTask"}
    assert by_rank[Rank.START] == {"StartWorkflowExecution"}
    assert len(by_rank[Rank.OTHER]) == 28


def test_only_lists_counts_histories_and_starts_may_be_shed() -> None:
    shed = {what: {one for one in wire.inputs().operations if turns.shed(one) is what} for what in Shed}
    assert shed[Shed.START] == {"StartWorkflowExecution"}
    assert {one.rstrip("s") for one in shed[Shed.VISIBILITY]} >= {"GetWorkflowExecutionHistory", "ListDomain"}
    assert all(one.startswith(("List", "Count", "Get")) for one in shed[Shed.VISIBILITY])
    assert not shed[Shed.VISIBILITY] & shed[Shed.NEVER]


@pytest.mark.parametrize(
    ("operation", "params", "cost"),
    [
        ("RespondDecisionTaskCompleted", {"decisions": [{}] * 7}, 7),
        ("RespondDecisionTaskCompleted", {"decisions": [{}] * 700}, turns.LARGEST_COST),
        ("RespondDecisionTaskCompleted", {}, 1),
        ("GetWorkflowExecutionHistory", {}, 4),
        ("StartWorkflowExecution", {"input": "x" * 100}, 1),
    ],
)
def test_large_requests_cost_more(operation: str, params: dict[str, object], cost: int) -> None:
    assert turns.cost(operation, params) == cost  # type: ignore[arg-type]
