"""The port to SWF: every component that talks to SWF asks for a :class:`Service`.

:class:`elbflow.swf.client.Client` implements it over aiobotocore; ``elbflow_engine.testing`` implements it in process
on virtual time. All methods raise the errors of :mod:`elbflow.swf.errors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol, runtime_checkable

from elbflow.swf import model
from elbflow.swf.hints import Hints


class Polls(Protocol):
    """The two long polls.

    Never cancel one in flight: a task may already be assigned to it (spec/swf-long-poll-scale I3). Only the scheduler
    does, where the endpoint allows it; a task that was already on its way may then be returned all the same.

    ``hold_s`` asks an endpoint that can do so to answer empty after that many seconds already; others are not asked.
    ``hints`` is filled with what the endpoint says beside its answer (spec/swf-long-poll-scale 6.12).
    """

    async def poll_for_decision_task(
        self,
        task_list: model.TaskList,
        *,
        identity: str,
        start_at_previous: bool = False,
        hold_s: float | None = None,
        hints: Hints | None = None,
    ) -> model.DecisionTask | None:
        """Park until a decision task arrives; None after the endpoint's hold time."""

    async def poll_for_activity_task(
        self, task_list: model.TaskList, *, identity: str, hold_s: float | None = None, hints: Hints | None = None
    ) -> model.ActivityTask | None:
        """Park until an activity task arrives; None after the endpoint's hold time."""


@runtime_checkable
class Pooled(Protocol):
    """A service whose polls share a limited pool of connections: more polls than this would queue unseen."""

    @property
    def poll_connections(self) -> int:
        """How many polls may park at once."""


@runtime_checkable
class Countable(Protocol):
    """A service that can be asked how many tasks wait on a list."""

    async def count_pending_tasks(self, task_list: model.TaskList) -> int:
        """Scheduled tasks that nobody has taken yet; approximate, and rationed to 6 calls/s per account on AWS."""


@runtime_checkable
class Located(Protocol):
    """A service that knows where it sends calls."""

    def endpoint_states(self) -> Mapping[str, bool]:
        """Every endpoint's URL, the preferred one first, and whether it is believed to answer."""


class Service(Polls, Countable, Protocol):
    """All SWF calls that elbflow makes. Short calls never share connections with polls."""

    async def decision_task_page(
        self, task_list: model.TaskList, page_token: str, *, identity: str, start_at_previous: bool = False
    ) -> tuple[Sequence[model.HistoryEvent], str | None]:
        """Next page of a decision task's history and the token of the page after it."""

    async def respond_decision_task_completed(
        self,
        token: str,
        decisions: Sequence[model.Decision],
        *,
        execution_context: str | None = None,
        task_list: str | None = None,
        schedule_to_start: timedelta | None = None,
    ) -> None:
        """Answer a decision task. From now on the execution's decision tasks go to ``task_list``, if it is given.

        A task that nobody takes from there within ``schedule_to_start`` goes back to the execution's own list, and so
        do all after it; without a limit the change is for good (spec/swf-semantics 3.6).
        """

    async def respond_activity_task_completed(self, token: str, result: str | None = None) -> None: ...

    async def respond_activity_task_failed(self, token: str, reason: str, details: str | None = None) -> None: ...

    async def respond_activity_task_canceled(self, token: str, details: str | None = None) -> None: ...

    async def record_activity_task_heartbeat(self, token: str, details: str | None = None) -> bool:
        """Renew the heartbeat deadline; True when the workflow asked to cancel this activity."""

    async def start_workflow_execution(
        self,
        domain: str,
        workflow_id: str,
        workflow_type: model.TypeId,
        *,
        input: str | None = None,
        task_list: str | None = None,
        tags: Sequence[str] = (),
        execution_timeout: timedelta | None = None,
        decision_timeout: timedelta | None = None,
        child_policy: str | None = None,
        priority: int | None = None,
    ) -> str:
        """Start an execution and return its run id; raises :class:`errors.AlreadyStarted`.

        Its decision tasks are handed out before those of a lower ``priority``; None is the type's default.
        """

    async def signal_workflow_execution(
        self, domain: str, workflow_id: str, signal_name: str, *, run_id: str | None = None, input: str | None = None
    ) -> None: ...

    async def request_cancel_workflow_execution(
        self, domain: str, workflow_id: str, *, run_id: str | None = None
    ) -> None: ...

    async def terminate_workflow_execution(
        self, domain: str, workflow_id: str, *, run_id: str | None = None, reason: str | None = None
    ) -> None: ...

    async def describe_workflow_execution(self, domain: str, execution: model.Execution) -> model.ExecutionDetail: ...

    async def get_workflow_execution_history(
        self, domain: str, execution: model.Execution, *, reverse: bool = False, limit: int | None = None
    ) -> Sequence[model.HistoryEvent]:
        """The whole history (all pages), or its first ``limit`` events in the given direction."""

    async def list_open_workflow_executions(
        self,
        domain: str,
        *,
        workflow_id: str | None = None,
        tag: str | None = None,
        workflow_type: model.TypeId | None = None,
        limit: int | None = None,
    ) -> Sequence[model.ExecutionInfo]:
        """All pages, or the newest ``limit`` rows. At most one filter; ``ValueError`` for more."""

    async def list_closed_workflow_executions(
        self,
        domain: str,
        *,
        workflow_id: str | None = None,
        tag: str | None = None,
        workflow_type: model.TypeId | None = None,
        limit: int | None = None,
    ) -> Sequence[model.ExecutionInfo]:
        """All pages, or the newest ``limit`` rows. At most one filter; ``ValueError`` for more."""

    async def register_domain(self, name: str, *, retention_days: int) -> None:
        """Raises :class:`errors.AlreadyExists`."""

    async def register_workflow_type(
        self,
        domain: str,
        workflow_type: model.TypeId,
        *,
        task_list: str | None = None,
        execution_timeout: timedelta | None = None,
        decision_timeout: timedelta | None = None,
        child_policy: str | None = None,
        priority: int | None = None,
    ) -> None:
        """Raises :class:`errors.AlreadyExists`."""

    async def register_activity_type(
        self,
        domain: str,
        activity_type: model.TypeId,
        *,
        task_list: str | None = None,
        schedule_to_start: timedelta | None = None,
        start_to_close: timedelta | None = None,
        schedule_to_close: timedelta | None = None,
        heartbeat: timedelta | None = None,
        priority: int | None = None,
    ) -> None:
        """None means ``NONE`` (no deadline) for timeouts. Raises :class:`errors.AlreadyExists`."""

    async def describe_workflow_type(self, domain: str, workflow_type: model.TypeId) -> model.TypeDetail:
        """What is registered; raises :class:`errors.UnknownResource`."""

    async def describe_activity_type(self, domain: str, activity_type: model.TypeId) -> model.TypeDetail:
        """What is registered; raises :class:`errors.UnknownResource`."""
