"""One attempt of an activity.

::

    asked → scheduled → closed                                       ScheduleActivityTaskFailed: refused
      │        └→ cancelling → closed      (asked to cancel; the outcome is seen by those who still wait)
      └→ dropped                           (cancelled before it was sent)
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from elbflow import swf
from elbflow.flow import errors, failures
from elbflow.flow.core.events import text

if TYPE_CHECKING:
    from elbflow.flow.core.instance import Instance

_WORTH_RETRYING = ("OPEN_ACTIVITIES_LIMIT_EXCEEDED", "ACTIVITY_CREATION_RATE_EXCEEDED", "ACTIVITY_TYPE_DOES_NOT_EXIST")
"""Causes of ScheduleActivityTaskFailed that may pass: two limits, and a worker that has yet to register its types."""


class Activity:
    """``outcome`` gets the encoded result or an :class:`errors.ActivityError`; cancelled means: it was, as asked."""

    def __init__(self, instance: Instance, name: str, attributes: swf.Attributes, at: str) -> None:
        self.outcome: asyncio.Future[str | None] = instance.loop.create_future()
        self._name = name
        self._id = attributes["activityId"]
        self._outbox = instance.outbox
        self._cancelling = False
        self._command = instance.ask(swf.Decision("ScheduleActivityTask", attributes), self, at)

    def cancel(self, *, ask: bool = True) -> None:
        """Drop the activity if SWF does not know it yet; else have it cancelled, unless ``ask`` is false."""
        if not self._command.sent:
            self._outbox.withdraw(self._command)
            self.outcome.cancel()
        elif ask and not self._cancelling:
            self._cancelling = True
            self._outbox.add(swf.Decision("RequestCancelActivityTask", {"activityId": self._id}))

    def news(self, event: swf.HistoryEvent) -> bool:
        """Take an event about this activity; False, for it was the last one."""
        if self.outcome.done():
            return False  # nobody waits any more
        if event.type == "ActivityTaskCompleted":
            self.outcome.set_result(text(event, "result"))
            return False
        name, details = self._name, text(event, "details")
        match event.type:
            case "ActivityTaskFailed":
                self.outcome.set_exception(failures.decode(name, text(event, "reason"), details))
            case "ActivityTaskTimedOut":
                timeout_type = str(event.attributes.get("timeoutType"))
                self.outcome.set_exception(errors.ActivityTimedOut(name, timeout_type, details))
            case "ActivityTaskCanceled" if self._cancelling:
                self.outcome.cancel()
            case "ActivityTaskCanceled":  # nobody here asked for it: the worker gave it up on its own
                self.outcome.set_exception(errors.ActivityFailed(name, "CANCELED", details=details))
            case "ScheduleActivityTaskFailed":
                cause = str(event.attributes.get("cause"))
                permanent = cause not in _WORTH_RETRYING
                said = "SWF refused to schedule it"
                self.outcome.set_exception(errors.ActivityFailed(name, cause, said, permanent=permanent))
        return False
