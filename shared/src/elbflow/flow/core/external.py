"""A signal or a cancellation request to another execution (spec/swf-semantics 3.10).

::

    asked → initiated → delivered | refused
      ↑ └→ dropped      (called off before it was sent)
      └── pausing ←── refused for SWF's rate limit: asked again after 1 s, then after twice as long, up to 60 s
             └→ dropped
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from elbflow import swf
from elbflow.flow import errors
from elbflow.flow.core.timer import Timer

if TYPE_CHECKING:
    from elbflow.flow.core.instance import Instance

_LONGEST_PAUSE_S = 60


class External:
    """``outcome`` is done when the other execution has it, or gets an :class:`errors.ExternalRefused`."""

    def __init__(self, instance: Instance, decision: swf.Decision) -> None:
        self.outcome: asyncio.Future[None] = instance.loop.create_future()
        self._instance = instance
        self._decision = decision
        self._pause: Timer | None = None
        self._pause_s = 1
        self._ask()

    def cancel(self) -> None:
        """Nobody waits any more: what was not sent yet is dropped, the rest cannot be called back."""
        if self._pause is not None:
            self._pause.cancel()
        if not self._command.sent:
            self._instance.outbox.withdraw(self._command)

    def news(self, event: swf.HistoryEvent) -> bool:
        """Take an event about this request; False, for it was the last one."""
        cause = event.attributes.get("cause")
        if self.outcome.done():
            pass  # nobody waits any more
        elif cause is None:
            self.outcome.set_result(None)
        elif str(cause).endswith("_RATE_EXCEEDED"):
            self._pause = Timer(self._instance, self._pause_s, self._ask, lasting=True)
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        else:
            workflow_id = str(self._decision.attributes["workflowId"])
            self.outcome.set_exception(errors.ExternalRefused(workflow_id, str(cause)))
        return False

    def _ask(self) -> None:
        self._command = self._instance.ask(self._decision, self)


def request_cancel(workflow_id: str, run_id: str | None = None) -> swf.Decision:
    """The decision that asks an execution to cancel itself."""
    attributes = {"workflowId": workflow_id} | ({} if run_id is None else {"runId": run_id})
    return swf.Decision("RequestCancelExternalWorkflowExecution", attributes)
