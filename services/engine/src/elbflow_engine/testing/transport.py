"""The client's transport without a network: the same retries, the engine on the other side."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from elbflow import clock as clocks
from elbflow.swf import classify, errors
from elbflow.swf.metrics import CallCounter
from elbflow.swf.parse import Wire
from elbflow.swf.retry import RetryPlan
from elbflow.swf.settings import ClientSettings
from elbflow.swf.transport import Transport
from elbflow_engine import core, wire
from elbflow_engine.testing.faults import FaultSchedule
from elbflow_engine.testing.host import EngineHost


class InProcessTransport(Transport):
    """Serves each try from an :class:`EngineHost`, after the same shape checks as the server's."""

    def __init__(
        self, host: EngineHost, clock: clocks.Clock, rng: random.Random, faults: FaultSchedule | None, plan: RetryPlan
    ) -> None:
        super().__init__(
            None, None, settings=ClientSettings(), counter=CallCounter(None), clock=clock, rng=rng, plan=plan
        )
        self._host = host
        self._faults = faults or FaultSchedule(rng, active=False)

    async def _once(self, _client: Any, operation: str, members: dict[str, Any]) -> Wire:
        fate = self._faults.draw()
        if fate.request_delay_s:
            await self._clock.sleep(fate.request_delay_s)
        if fate.refused:
            raise errors.ConnectFailed(f"{operation}: refused on schedule", operation=operation)
        if fate.throttled:
            raise classify.coded("ThrottlingException", "Rate exceeded", operation)
        answer = await self._serve(operation, members)
        if fate.duplicated and not operation.startswith("PollFor"):
            with contextlib.suppress(errors.SwfError):  # nobody sees the second answer, whatever it is
                await self._serve(operation, members)
        if fate.answer_delay_s:
            await self._clock.sleep(fate.answer_delay_s)
        if fate.lost:
            raise errors.Ambiguous(f"{operation}: answer lost on schedule", operation=operation)
        return answer

    async def _serve(self, operation: str, members: dict[str, Any]) -> Wire:
        try:
            params = wire.inputs().read(operation, _json(members))
            if operation.startswith("PollFor") and "nextPageToken" not in params:
                return await self._host.poll(operation, params)
            return self._host.call(operation, params)
        except core.Fault as fault:
            raise classify.coded(fault.code, fault.message, operation) from fault
        except wire.ValidationError as error:
            raise classify.coded("ValidationException", str(error), operation) from error
        except wire.SerializationError as error:
            raise classify.coded("SerializationException", str(error), operation) from error


def _json(value: Any) -> core.Json:
    """What the value would be after a trip over the wire."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, Mapping):
        return {str(name): _json(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{type(value).__name__} cannot be sent")
