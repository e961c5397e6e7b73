"""What the decisions of one completion share."""

from __future__ import annotations

from collections.abc import Iterator

from elbflow_engine.core import evolution, rates
from elbflow_engine.core.model import Execution
from elbflow_engine.core.work import Work
from elbflow_engine.core.world import Domain


class Batch:
    """One completed decision task while its decisions are applied in order.

    ``completed_id`` is the DecisionTaskCompleted event every event of the batch refers to; ``unhandled`` says that the
    decider has not seen everything; ``demanded`` that some event of the batch needs a new decision task (3.3).
    """

    def __init__(self, work: Work, execution: Execution, completed_id: int, unhandled: bool) -> None:
        self.work = work
        self.execution = execution
        self.completed_id = completed_id
        self.unhandled = unhandled
        self.demanded = False

    @property
    def domain(self) -> Domain:
        return self.work.world.domain_of(self.execution.header)

    def append(self, event_type: str, attributes: evolution.Attributes) -> int:
        """Append an event that refers to this completion. Adds that reference to ``attributes``."""
        attributes["decisionTaskCompletedEventId"] = self.completed_id
        return self.work.append(self.execution, event_type, attributes)

    def fail(self, event_type: str, cause: str, attributes: evolution.Attributes) -> None:
        """Append a failure event; the decider gets to see it, the other decisions go on."""
        self.append(event_type, attributes | {"cause": cause})
        self.demanded = True

    def denied(self, decision_type: str) -> Iterator[str]:
        """The cause of a decision whose pseudo-action the caller may not use (spec/swf-semantics 1.5)."""
        if decision_type in self.work.denied:
            yield "OPERATION_NOT_PERMITTED"

    def admit(self, decision_type: str) -> bool:
        """Take a token of the decision's rate bucket (spec/swf-semantics 11.2)."""
        assert decision_type in rates.BUCKETS
        return self.work.world.rates.admit(decision_type, self.execution.header.account, self.work.now_ms)
