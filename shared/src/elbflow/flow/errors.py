"""What can go wrong in and around workflows, split by who acts (design section 4).

::

    errors.Permanent
     ├─ ActivityError            an activity did not give a result
     │   ├─ ActivityFailed       it answered with a failure, or SWF refused to schedule it
     │   └─ ActivityTimedOut     nobody answered in time
     ├─ ChildError               a child workflow did not give a result
     │   ├─ ChildNotStarted      SWF refused to start it
     │   ├─ ChildFailed          it failed, or gave what cannot be read
     │   ├─ ChildTimedOut        it exceeded its execution timeout
     │   ├─ ChildCanceled        it ended as cancelled
     │   └─ ChildTerminated      somebody terminated it
     ├─ ExternalRefused          SWF did not pass a signal or a cancellation request on
     ├─ TimerRefused             SWF refused to start a timer
     ├─ MarkerRefused            SWF refused to record a marker
     ├─ ForeignFailure           raised by activities: tells another framework's workflow in its own words
     ├─ PayloadTooLarge          a value does not fit into one SWF payload
     ├─ WorkflowFailed           seen by callers: the execution failed
     └─ WorkflowClosed           seen by callers: the execution closed in another way
    errors.Retryable
     ├─ StillRunning             seen by callers: the deadline came first
     └─ NothingPublished         seen by callers: the execution has not said anything about itself yet
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


class ForeignFailure(errors.Permanent):
    """An activity failed that a workflow of another framework asked for: ``reason`` and ``details`` travel as given."""

    def __init__(self, reason: str, details: str) -> None:
        super().__init__(reason)
        self.reason = reason
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


class ChildError(errors.Permanent):
    """A child workflow gave no result; ``workflow_id`` is the child's."""

    def __init__(self, message: str, *, workflow_id: str, details: str | None = None) -> None:
        super().__init__(message)
        self.workflow_id = workflow_id
        self.details = details


class ChildNotStarted(ChildError):
    """SWF refused to start a child; ``cause`` is SWF's, such as WORKFLOW_ALREADY_RUNNING (spec/swf-semantics 7.12).

    ``may_pass`` says that the same child may well start later: limits, rates, an id that is still in use.
    """

    def __init__(self, workflow_id: str, cause: str) -> None:
        super().__init__(f"child {workflow_id} was not started: {cause}", workflow_id=workflow_id)
        self.cause = cause
        self.may_pass = cause.endswith("_EXCEEDED") or self.already_running

    @property
    def already_running(self) -> bool:
        """An open execution has the id."""
        return self.cause == "WORKFLOW_ALREADY_RUNNING"


class ChildFailed(ChildError):
    """A child failed. ``reason`` is its error's type name, ``message`` its message, ``details`` all that it said.

    ``reason`` PayloadMismatch: it completed, and ``details`` is its result, which does not have the declared type.
    """

    def __init__(self, workflow_id: str, reason: str, message: str = "", *, details: str | None = None) -> None:
        text = f"child {workflow_id} failed with {reason}" + (f": {message}" if message else "")
        super().__init__(text, workflow_id=workflow_id, details=details)
        self.reason = reason
        self.message = message


class ChildTimedOut(ChildError):
    """A child exceeded its execution timeout; ``timeout_type`` is SWF's."""

    def __init__(self, workflow_id: str, timeout_type: str) -> None:
        super().__init__(f"child {workflow_id} timed out ({timeout_type})", workflow_id=workflow_id)
        self.timeout_type = timeout_type


class ChildCanceled(ChildError):
    """A child ended as cancelled."""

    def __init__(self, workflow_id: str, details: str | None = None) -> None:
        super().__init__(f"child {workflow_id} was cancelled", workflow_id=workflow_id, details=details)


class ChildTerminated(ChildError):
    """A child was terminated."""

    def __init__(self, workflow_id: str) -> None:
        super().__init__(f"child {workflow_id} was terminated", workflow_id=workflow_id)


class ExternalRefused(errors.Permanent):
    """SWF did not pass a signal or a cancellation request on to another execution; ``cause`` is SWF's.

    UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION: no such execution is open.
    """

    def __init__(self, workflow_id: str, cause: str) -> None:
        super().__init__(f"{workflow_id} was not reached: {cause}")
        self.workflow_id = workflow_id
        self.cause = cause


class TimerRefused(errors.Permanent):
    """SWF refused to start a timer; ``cause`` is SWF's."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"SWF refused to start a timer: {cause}")
        self.cause = cause


class MarkerRefused(errors.Permanent):
    """SWF refused to record a marker; ``cause`` is SWF's."""

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(f"SWF refused to record the marker {name}: {cause}")
        self.cause = cause


class PayloadTooLarge(errors.Permanent):
    """A value does not fit into its SWF ``field``; ``size`` is its length. Split it or pass a reference.

    Payloads have 32,768 characters, names, ids, tags and reasons 256 (spec/swf-semantics 1.6).
    """

    def __init__(self, message: str, *, field: str = "", size: int = 0) -> None:
        super().__init__(message)
        self.field = field
        self.size = size

    @classmethod
    def of(cls, field: str, size: int, most: int, unit: str = "characters") -> PayloadTooLarge:
        """The error for ``field``, which has ``size`` where ``most`` are allowed."""
        return cls(f"{field} has {size} {unit}; SWF accepts {most}", field=field, size=size)


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


class NothingPublished(errors.Retryable):
    """The execution has not published anything yet."""


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
