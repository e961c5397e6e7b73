"""One loop per VM of a load balancer: a VM that fails or hangs delays no other (spec/elb-control-plane 11.1 no. 6)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Iterator
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from elbflow import flow
from elbflow.contract.activities import ServingVm

REFRESH = timedelta(minutes=30)
"""How often the VMs are looked up without a reason."""

MOST_EVENTS = 250
"""History length after which a continuous workflow continues as new: replay reads the history again."""

HISTORY_LIMIT = 20_000
"""The longest history however many VMs there are: SWF ends an execution at 25,000 events."""

FEW = 3
"""VMs that a run's limits are meant for. More VMs get more: a new run serves all anew, which must not wear it out."""


class Counter:
    """Counts what a workflow waits for: signals, rounds, what is under way."""

    def __init__(self) -> None:
        self.value = 0

    def add(self, one: bool = True) -> None:
        self.value += one

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Count one more inside the block."""
        self.value += 1
        try:
            yield
        finally:
            self.value -= 1

    async def beyond(
        self, seen: int, timeout: timedelta | float | None = None, *, or_when: Callable[[], bool] = lambda: False
    ) -> None:
        """Return when it counted more than ``seen``, when ``or_when`` holds, or after ``timeout``."""
        await flow.wait_condition(lambda: self.value > seen or or_when(), timeout)


class VmLoops:
    """Runs ``loop(vm)`` for each VM of a changing set. Leaving the block cancels all loops.

    A loop that raises ends the block with its error: what fails is then the service, not a VM.
    """

    def __init__(self, loop: Callable[[ServingVm], Coroutine[Any, Any, None]]) -> None:
        self._loop = loop
        self._group = asyncio.TaskGroup()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
        await self._group.__aexit__(kind, error, trace)

    def assign(self, vms: Iterable[ServingVm]) -> None:
        """Start loops for VMs that have none, and cancel those of VMs that are not in ``vms``."""
        wanted = {vm.instance_id: vm for vm in vms}
        for gone in [one for one in self._tasks if one not in wanted]:
            self._tasks.pop(gone).cancel()
        for one, vm in wanted.items():
            if one not in self._tasks:
                self._tasks[one] = self._group.create_task(self._loop(vm))

    def cancel(self) -> None:
        """Cancel all loops; :meth:`assign` starts them anew."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def worn_out(self, most_events: int = MOST_EVENTS) -> bool:
        """Whether the history is long enough to continue as new; ``most_events`` is for :data:`FEW` VMs."""
        length = flow.info().history_length
        return length >= HISTORY_LIMIT or self.reached(length, most_events)

    def reached(self, count: int, limit: int) -> bool:
        """Whether ``count`` reached ``limit``, which is for :data:`FEW` VMs and grows with their number beyond."""
        if count < limit:
            return False
        # A patch for executions begun earlier. It is asked for last, so few VMs leave no marker.
        return count * FEW >= limit * len(self._tasks) or not flow.patched("limits-grow-with-vms")
