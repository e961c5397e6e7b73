"""A child workflow (spec/swf-semantics 3.9).

::

    asked → initiated → started → completed | failed | timed out | cancelled | terminated
      │         └→ refused
      └→ dropped, or refused at once

It is asked to cancel by its id alone: that is its own, and its successors' after it continued as new, while it is open.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from elbflow import swf
from elbflow.flow import errors, failures
from elbflow.flow.core.events import text
from elbflow.flow.core.external import External, request_cancel

if TYPE_CHECKING:
    from elbflow.flow.core.instance import Instance


class Child:
    """``started`` gets the execution or an :class:`errors.ChildNotStarted`; ``outcome`` the encoded result or another
    :class:`errors.ChildError`.
    """

    def __init__(self, instance: Instance, attributes: swf.Attributes) -> None:
        self.started: asyncio.Future[swf.Execution] = instance.loop.create_future()
        self.outcome: asyncio.Future[str | None] = instance.loop.create_future()
        self.workflow_id = str(attributes["workflowId"])
        self._instance = instance
        self._cancelling = False
        self._command = instance.ask(swf.Decision("StartChildWorkflowExecution", attributes), self)
        instance.unfinished += 1

    @property
    def is_to_be_told(self) -> bool:
        """Whether it is to be asked to cancel as soon as it has started."""
        return self._cancelling and not self.started.done()

    def cancel(self) -> None:
        """Drop the child if SWF does not know it yet; else ask it to cancel as soon as it has started."""
        if not self._command.sent:
            self._instance.outbox.withdraw(self._command)
            self._over()
        elif not self._cancelling:
            self._cancelling = True
            self._ask_to_cancel()

    def news(self, event: swf.HistoryEvent) -> bool:
        """Take an event about this child; whether more are to come."""
        if event.type == "ChildWorkflowExecutionStarted":
            self._begun(event)
            self._ask_to_cancel()
            return True
        if event.type == "StartChildWorkflowExecutionFailed":
            self._fail(errors.ChildNotStarted(self.workflow_id, str(event.attributes.get("cause"))))
            return False
        self._begun(event)
        if event.type == "ChildWorkflowExecutionCompleted":
            self._over()
            self.outcome.set_result(text(event, "result"))
        else:
            self._fail(failures.of_child(self.workflow_id, event))
        return False

    def _begun(self, event: swf.HistoryEvent) -> None:
        execution = event.attributes.get("workflowExecution")
        if not self.started.done() and isinstance(execution, dict):
            self.started.set_result(swf.Execution(self.workflow_id, str(execution.get("runId"))))

    def _ask_to_cancel(self) -> None:
        if self._cancelling and self.started.done() and not self.outcome.done():
            External(self._instance, request_cancel(self.workflow_id))

    def _fail(self, error: errors.ChildError) -> None:
        self._over()
        if not self.started.done():
            self.started.set_exception(error)
        self.outcome.set_exception(error)

    def _over(self) -> None:
        self._instance.unfinished -= 1
