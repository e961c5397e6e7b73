"""The client's tries without a network: the engine on the other side."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from elbflow import clock as clocks
from elbflow.swf import classify, errors
from elbflow.swf import hints as telling
from elbflow.swf.parse import Wire
from elbflow.swf.tries import Pool
from elbflow_engine import core, wire
from elbflow_engine.testing import faults
from elbflow_engine.testing.faults import FaultSchedule
from elbflow_engine.testing.host import EngineDied, EngineDown, EngineHost
from elbflow_engine.wire import hints, protocol


class InProcessTries:
    """Serves each try from an :class:`EngineHost`, after the same shape checks as the server's."""

    def __init__(
        self, host: EngineHost, clock: clocks.Clock, rng: random.Random, schedule: FaultSchedule | None
    ) -> None:
        self._host = host
        self._clock = clock
        self._faults = schedule or FaultSchedule(rng, active=False)
        self._scaling = hints.Scaling()
        self._capabilities = telling.capabilities({telling.CAPABILITIES_HEADER: protocol.CAPABILITIES})
        self._copies: dict[tuple[str, str, str], list[Wire]] = {}

    async def once(self, pool: Pool, operation: str, members: dict[str, Any]) -> Wire:
        telling.goes_to(self._capabilities)
        polls = pool is Pool.POLLS
        fate = self._faults.draw(self._host.hold_s if polls else 0.0)
        if fate.request_delay_s:
            await self._clock.sleep(fate.request_delay_s)
        self._refuse(operation, fate)
        answer = (
            await self._deliver(operation, members, fate) if polls else await self._carry_out(operation, members, fate)
        )
        if fate.answer_delay_s:
            await self._clock.sleep(fate.answer_delay_s)
        if fate.lost:
            self._lose(operation, answer, fate)
        return answer

    def _refuse(self, operation: str, fate: faults.CallFaults) -> None:
        """Faults of calls that are never carried out."""
        if fate.refused:
            self._note("refused", operation)
            raise errors.ConnectFailed(f"{operation}: refused on schedule", operation=operation)
        if fate.throttled:
            self._note("throttled", operation)
            raise classify.coded("ThrottlingException", "Rate exceeded", operation)
        if fate.unavailable:
            self._note("unavailable", operation)
            raise classify.coded("ServiceUnavailable", "unavailable on schedule", operation)
        if fate.failed and not fate.carried_out:
            self._note("failed", operation)
            raise classify.coded("InternalFailure", "failed on schedule", operation)

    async def _carry_out(self, operation: str, members: dict[str, Any], fate: faults.CallFaults) -> Wire:
        answer = await self._serve(operation, members)
        if fate.duplicated:
            self._note("duplicated", operation)
            with contextlib.suppress(errors.SwfError):  # nobody sees the second answer, whatever it is
                await self._serve(operation, members)
        if fate.failed:
            self._note("failed", f"{operation}, carried out")
            raise classify.coded("InternalFailure", "failed on schedule", operation)
        return answer

    async def _deliver(self, operation: str, members: dict[str, Any], fate: faults.CallFaults) -> Wire:
        """The task of a poll, or the copy of one that another poll got before."""
        copies = self._copies.setdefault((operation, members["domain"], members["taskList"]["name"]), [])
        if copies:
            self._note("redelivered", operation)
            return copies.pop(0)
        if fate.dropped_after_s is None:
            answer = await self._serve(operation, members)
        else:
            answer = await self._serve_until(fate.dropped_after_s, operation, members)
        if fate.redelivered and answer.get("taskToken"):
            copies.append(answer)
        return answer

    async def _serve_until(self, end_s: float, operation: str, members: dict[str, Any]) -> Wire:
        """A poll whose connection vanishes: what it did not get stays where it is, or goes back there."""
        poll = asyncio.ensure_future(self._serve(operation, members))
        end = asyncio.ensure_future(self._clock.sleep(end_s))
        try:
            await asyncio.wait({poll, end}, return_when=asyncio.FIRST_COMPLETED)
            if poll.done():
                return poll.result()
        finally:
            end.cancel()
            poll.cancel()
            await asyncio.gather(poll, end, return_exceptions=True)
        self._note("dropped", operation)
        raise errors.Ambiguous(f"{operation}: connection dropped on schedule", operation=operation)

    def _lose(self, operation: str, answer: Wire, fate: faults.CallFaults) -> None:
        token = answer.get("taskToken")
        back = token is not None and fate.noticed and self._host.take_back(token)
        self._note("lost", f"the answer of {operation}{', its task taken back' if back else ''}")
        raise errors.Ambiguous(f"{operation}: answer lost on schedule", operation=operation)

    def _note(self, what: str, about: str) -> None:
        self._faults.note(self._clock.monotonic(), what, about)

    async def _serve(self, operation: str, members: dict[str, Any]) -> Wire:
        try:
            params = wire.inputs().read(operation, _json(members))
            if operation.startswith("PollFor") and "nextPageToken" not in params:
                return await self._poll(operation, params)
            return self._host.call(operation, params)
        except core.Fault as fault:
            raise classify.coded(fault.code, fault.message, operation) from fault
        except EngineDied as died:
            raise errors.Ambiguous(f"{operation}: the engine was killed", operation=operation) from died
        except EngineDown as down:
            raise errors.ConnectFailed(f"{operation}: no engine runs", operation=operation) from down
        except wire.ValidationError as error:
            raise classify.coded("ValidationException", str(error), operation) from error
        except wire.SerializationError as error:
            raise classify.coded("SerializationException", str(error), operation) from error

    async def _poll(self, operation: str, params: core.Object) -> Wire:
        """A poll with the hints that the server would exchange."""
        begun = self._clock.monotonic()
        answer = await self._host.poll(
            operation, params, hold_s=hints.hold_s(telling.wished().get(telling.MAX_HOLD_HEADER))
        )
        headers = {telling.CAPABILITIES_HEADER: protocol.CAPABILITIES}
        if not self._host.down:
            now = self._clock.monotonic()
            backlog = hints.Backlog(*self._host.backlog(operation, params))
            task_list = (operation, str(params["domain"]), str(params["taskList"]))
            headers |= self._scaling.headers(task_list, now - begun, backlog, now)
        return answer | {"ResponseMetadata": {"HTTPHeaders": headers}}


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
