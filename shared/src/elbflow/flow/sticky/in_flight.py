"""Answers on their way to SWF: the next decision task may overtake the word that the last answer was accepted.

A task queued while a decision ran can be polled as soon as SWF has the answer (spec/swf-semantics 3.2). Its run
is at hand, and in a moment it may be used.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from elbflow import swf

MOST_WAIT_S = 0.2
"""A round trip and then some; replaying the whole history costs more."""


class InFlight:
    """Answers that were sent and not yet acknowledged, by execution and the DecisionTaskStarted they answer."""

    def __init__(self) -> None:
        self._answers: dict[tuple[swf.Execution, int], asyncio.Future[None]] = {}

    def __len__(self) -> int:
        return len(self._answers)

    @contextlib.contextmanager
    def sending(self, execution: swf.Execution, started_id: int) -> Iterator[None]:
        """Inside the block the answer is in flight; however it ends, those who wait for it go on."""
        key = execution, started_id
        answer = self._answers[key] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            answer.set_result(None)
            if self._answers.get(key) is answer:  # else the task was delivered twice, and this was the first
                del self._answers[key]

    async def settled(self, execution: swf.Execution, started_id: int) -> None:
        """Wait until the answer to ``started_id``, if in flight, is known to be accepted or not; 0.2 s at most."""
        answer = self._answers.get((execution, started_id))
        if answer is not None:
            await asyncio.wait([answer], timeout=MOST_WAIT_S)
