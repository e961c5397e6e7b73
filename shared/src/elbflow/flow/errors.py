"""What can go wrong in and around workflows, split by who acts (design section 4).

::

    errors.Permanent
     ├─ ActivityError            an activity did not give a result
     │   ├─ ActivityFailed       it answered with a failure, or SWF refused to schedule it
     │   └─ ActivityTimedOut     nobody answered in time
     ├─ TimerRefused             SWF refused to start a timer
     ├─ PayloadTooLarge          a value does not fit into one SWF payload
     ├─ WorkflowFailed           seen by callers: the execution failed
     └─ WorkflowClosed           seen by callers: the execution closed in another way
    errors.Retryable
     └─ StillRunning             seen by callers: the deadline came first
    errors.Defect
     ├─ NonDeterminism           replay gave other commands than history recorded
     ├─ NonDeterministicCall     workflow code asked the real world
     ├─ WorkflowDefect           workflow code ended in an error that nobody planned
     ├─ OutsideWorkflow          a workflow call made outside a running workflow
     └─ PayloadMismatch          a payload does not have its declared type
    BaseException
     ├─ ContinueAsNew            raised by workflows to start over in a new run
     └─ InstanceClosed           unwinds a workflow that is put away between decisions
"""

from __future__ import annotations

from elbflow import errors


class ActivityError(errors.Permanent):
    """An activity gave no result.

    ``activity`` is its type name, ``details`` what the worker or SWF said, verbatim.
    """

    def __init__(self, message: str, *, activity: str, details: str | None = None) -> None:
        super().__init__(message)
        self.activity = activity
        self.details = details


class ActivityFailed(ActivityError):
    """An activity failed.

    ``reason`` is the error's type name in the worker (or SWF's cause when it refused to schedule the activity),
    ``message`` its message; ``permanent`` says that repeating the activity gives the same failure.
    """

    def __init__(
        self, activity: str, reason: str, message: str = "", *, permanent: bool = False, details: str | None = None
    ) -> None:
        text = f"{activity} failed with {reason}" + (f": {message}" if message else "")
        super().__init__(text, activity=activity, details=details)
        self.reason = reason
        self.message = message
        self.permanent = permanent


class ActivityTimedOut(ActivityError):
    """An activity was not answered in time.

    ``timeout_type`` is SWF's (START_TO_CLOSE, SCHEDULE_TO_START, SCHEDULE_TO_CLOSE, HEARTBEAT); ``details`` are those
    of the last heartbeat. The activity may still be running somewhere.
    """

    def __init__(self, activity: str, timeout_type: str, details: str | None = None) -> None:
        super().__init__(f"{activity} timed out ({timeout_type})", activity=activity, details=details)
        self.timeout_type = timeout_type


class TimerRefused(errors.Permanent):
    """SWF refused to start a timer; ``cause`` is SWF's."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"SWF refused to start a timer: {cause}")
        self.cause = cause


class PayloadTooLarge(errors.Permanent):
    """The value does not fit into one SWF payload of 32,768 characters; split it or pass a reference."""


class WorkflowFailed(errors.Permanent):
    """The execution failed; ``reason`` is the error's type name, ``details`` its JSON description."""

    def __init__(self, reason: str, details: str | None = None) -> None:
        super().__init__(f"the workflow failed with {reason}: {details}")
        self.reason = reason
        self.details = details


class WorkflowClosed(errors.Permanent):
    """The execution closed without a result; ``status`` is SWF's close status."""

    def __init__(self, status: str) -> None:
        super().__init__(f"the workflow closed as {status}")
        self.status = status


class StillRunning(errors.Retryable):
    """The execution is still running."""


class NonDeterminism(errors.Defect):
    """The workflow's code and its history disagree."""


class NonDeterministicCall(errors.Defect):
    """Workflow code made a call whose outcome is not in the history."""


class WorkflowDefect(errors.Defect):
    """Workflow code ended in an unplanned error; ``location`` is the workflow's source line."""

    def __init__(self, message: str, *, location: str = "") -> None:
        super().__init__(f"{message} at {location}" if location else message)
        self.location = location


class OutsideWorkflow(errors.Defect):
    """This call works only inside a running workflow."""


class PayloadMismatch(errors.Defect):
    """A payload does not have its declared type."""


class ContinueAsNew(BaseException):
    """Ends this run and starts the next one of the same workflow id with ``value`` as its input.

    Not an ``Exception``, so that a workflow's own error handling does not catch it.
    """

    def __init__(self, value: object) -> None:
        super().__init__(value)
        self.value = value


class InstanceClosed(BaseException):
    """The workflow instance is being put away; let it pass."""
