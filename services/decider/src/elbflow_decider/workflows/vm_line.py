"""The line to one VM: what it is asked, and how long it is left alone when it fails."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

from elbflow import flow
from elbflow.contract import activities
from elbflow.contract.document import LoadBalancerKey
from elbflow_decider.workflows import vm_loops

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(seconds=60)
_MOST_REASON = 200

R = TypeVar("R")


class VmLine:
    """Asks one VM over and over. ``pause`` is how long to leave it alone: it doubles with each failure in a row."""

    def __init__(self, key: LoadBalancerKey, instance_id: str, first_pause: timedelta = FIRST_PAUSE) -> None:
        self.instance_id = instance_id
        self.pause = timedelta(0)
        self._key = key
        self._first_pause = first_pause

    async def ask(self, activity: Awaitable[R]) -> R | None:
        """What the VM answers; None when it failed, which was counted then, for recycling."""
        try:
            answer = await activity
        except flow.ActivityError as error:
            self.pause = min(LONGEST_PAUSE, max(self._first_pause, 2 * self.pause))
            reason = str(error)[:_MOST_REASON]
            await activities.record_vm_failure(self._key, self.instance_id, reason, flow.now().timestamp())
            return None
        self.rested()
        return answer

    async def rest(self, news: vm_loops.Counter) -> None:
        """Leave the VM alone for its pause; then it counts as news that it may be gone."""
        await flow.sleep(self.pause)
        news.add()

    def rested(self) -> None:
        """Earlier failures do not count any more."""
        self.pause = timedelta(0)
