"""Whether the API can do its work: asked in the background, so that ``/readyz`` never waits and nothing parks."""

from __future__ import annotations

import structlog

from elbflow import clock as clocks
from elbflow import errors, store, swf

log = structlog.get_logger()

_PERIOD_S = 5.0
_NOT_ASKED = "not checked yet"


class Probe:
    """Asks the store for its schema and SWF for the decision task list's backlog, every five seconds."""

    def __init__(
        self, db: store.Store, workflow_service: swf.Service, task_list: swf.TaskList, clock: clocks.Clock
    ) -> None:
        self._db = db
        self._service = workflow_service
        self._task_list = task_list
        self._clock = clock
        self._store_problem: str | None = _NOT_ASKED
        self._swf_problem: str | None = _NOT_ASKED

    def store(self) -> str | None:
        """Why the store cannot be used; None when it can."""
        return self._store_problem

    def swf(self) -> str | None:
        """Why SWF cannot be used; None when it can."""
        return self._swf_problem

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self.ask()
            await self._clock.sleep(_PERIOD_S)

    async def ask(self) -> None:
        """Ask both once."""
        self._store_problem = self._changed("store", self._store_problem, await self._ask_store())
        self._swf_problem = self._changed("swf", self._swf_problem, await self._ask_swf())

    async def _ask_store(self) -> str | None:
        try:
            await self._db.require_current_schema()
        except Exception as error:  # any failure is an answer here: the store cannot be used
            return str(error) or repr(error)
        return None

    async def _ask_swf(self) -> str | None:
        try:
            await self._service.count_pending_tasks(self._task_list)
        except swf.UnknownResource:
            return f"the SWF domain {self._task_list.domain} is not registered yet"
        except errors.ElbflowError as error:
            return str(error) or repr(error)
        return None

    def _changed(self, what: str, before: str | None, now: str | None) -> str | None:
        if now is not None and now != before:
            log.warning("dependency_unusable", dependency=what, reason=now)
        elif now is None and before not in (None, _NOT_ASKED):
            log.info("dependency_usable", dependency=what)
        return now
