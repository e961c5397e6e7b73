"""The worker's end: the same activity types, told apart by the form of their input (spec/vm-agent-data-plane 8).

The original's workflows give an activity ten seconds, and ask for health and metrics by themselves: nothing waits here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, Protocol, TypeAlias, TypeVar

import structlog

from elbflow import errors, flow, tasks
from elbflow.contract import vm_activities
from elbflow_agent import ipc
from elbflow_agent.original import dialect, messages

_log = structlog.get_logger(__name__)

_PATIENCE_S = 7.0
"""After which a document that is still being applied counts as queued (REQ-8.2)."""
_APPLY_WITHIN_S = 25.0
_ANSWER_WITHIN_S = 7.0
_In = TypeVar("_In")
_Out = TypeVar("_Out")
_Answering: TypeAlias = Callable[["Activities", dialect.Call], Awaitable[dialect.Answer]]
_Of: TypeAlias = Callable[[Any], "Activities"]


@flow.abstract_activity(
    name="LoadBalancingVmActivities.setPolicy",
    version="1.0",
    schedule_to_start=timedelta(seconds=60),
    start_to_close=timedelta(seconds=60),
    schedule_to_close=timedelta(seconds=120),
)
async def set_policy(policy: str) -> None:
    """Keep the policy that is in ``policy``, the original's XML. Our own documents hold their policies."""


class Client(Protocol):
    """What is asked of the IPC client."""

    async def call(
        self,
        instance_id: str,
        method: ipc.Method[_In, _Out],
        argument: _In,
        *,
        within_s: float,
    ) -> _Out: ...


class Activities:
    """The activities of one VM in the original's form; ``in_progress`` is held while one of them goes on."""

    def __init__(self, instance_id: str, client: Client, in_progress: AbstractContextManager[None]) -> None:
        self._instance_id = instance_id
        self._client = client
        self._in_progress = in_progress
        self._delivered = 0
        self._telling = tasks.Supervisor()

    async def set_load_balancer(self, call: dialect.Call) -> dialect.Answer:
        await self._tell(messages.SET_LOAD_BALANCER, *call.texts(1))
        return dialect.Answer()

    async def set_policy(self, call: dialect.Call) -> dialect.Answer:
        await self.keep_policy(*call.texts(1))
        return dialect.Answer()

    async def keep_policy(self, policy: str) -> None:
        await self._tell(messages.SET_POLICY, policy)

    async def get_instance_status(self, call: dialect.Call) -> dialect.Answer:
        call.texts(0)
        return dialect.status(await self._ask(ipc.HEALTH, ipc.HealthQuery("", 0.0), _ANSWER_WITHIN_S))

    async def get_cloudwatch_metrics(self, call: dialect.Call) -> dialect.Answer:
        """Counts stay owed until SWF has taken the answer; a worker that dies before the next call tells them again."""
        call.texts(0)
        report = await self._ask(ipc.METRICS, ipc.MetricsQuery(self._delivered), _ANSWER_WITHIN_S)

        def settle() -> None:
            self._delivered = max(self._delivered, report.sequence)

        flow.activity_context().delivered = settle
        return dialect.metrics(report)

    async def _tell(self, method: ipc.Method[str, None], text: str) -> None:
        """Raise what the servo does, as long as there is time to answer with it. Cancelled, it is called off."""
        asked = self._ask(method, text, _APPLY_WITHIN_S)
        telling = self._telling.start(asked, f"original-{method.name}", lambda _: None)  # it is heard of below
        try:
            await asyncio.wait({telling}, timeout=_PATIENCE_S)
        except asyncio.CancelledError:
            telling.cancel()
            raise
        if telling.done():
            await telling
        else:
            _log.info("original_message_queued", instance=self._instance_id, method=method.name)
            telling.add_done_callback(self._late)

    def _late(self, telling: asyncio.Task[None]) -> None:
        if not telling.cancelled() and (error := telling.exception()) is not None:
            _log.warning("original_message_not_applied", instance=self._instance_id, reason=str(error))

    async def _ask(self, method: ipc.Method[_In, _Out], argument: _In, within_s: float) -> _Out:
        with self._in_progress:
            return await self._client.call(self._instance_id, method, argument, within_s=within_s)


_ANSWERING: Mapping[str, _Answering] = {
    vm_activities.set_load_balancer.name: Activities.set_load_balancer,
    vm_activities.get_instance_status.name: Activities.get_instance_status,
    vm_activities.get_cloudwatch_metrics.name: Activities.get_cloudwatch_metrics,
}


def beside(own: flow.ActivityRegistry, of: _Of) -> flow.ActivityRegistry:
    """What is bound in ``own``, each also in the original's form as far as that has one, and ``setPolicy``.

    What is bound takes the VM as its first argument; ``of`` tells the VM's activities in the original's form.
    """
    bound = _Registry()
    for each in own:
        other = _ANSWERING.get(each.activity.name)
        if other is None:
            bound.bind_method(each.activity, each.implementation)
        else:
            bound.bind_method(_Bilingual.of(each.activity), _either(each.implementation, other, of))

    async def keep_policy(vm: object, policy: str) -> None:
        await of(vm).keep_policy(policy)

    bound.bind_method(_Bilingual.of(set_policy), _either(keep_policy, Activities.set_policy, of))
    return bound


class _Bilingual(flow.Activity[..., Any]):
    """Takes input of both forms and gives results in that of its input."""

    @classmethod
    def of(cls, activity: flow.Activity[..., Any]) -> _Bilingual:
        """The same activity."""
        return cls(activity.name, activity.version, activity.options, activity.function)

    def decode_arguments(self, text: str | None) -> tuple[Any, ...]:
        call = dialect.call(text)
        return super().decode_arguments(text) if call is None else (call,)

    def encode_result(self, value: Any) -> str:
        return value.payload() if isinstance(value, dialect.Answer) else super().encode_result(value)


class _Registry(flow.ActivityRegistry):
    """Types are registered with the original's defaults (8.2). Our own workflows name every limit themselves."""

    def activities(self) -> tuple[flow.Activity[..., Any], ...]:
        return tuple(
            each.using(
                schedule_to_start=timedelta(seconds=60),
                start_to_close=timedelta(seconds=60),
                schedule_to_close=timedelta(seconds=120),
                heartbeat=None,
            )
            if isinstance(each, _Bilingual)
            else each
            for each in super().activities()
        )


def _either(own: Callable[..., Awaitable[Any]], other: _Answering, of: _Of) -> Callable[..., Awaitable[Any]]:
    async def carry_out(vm: object, *arguments: Any) -> Any:
        if not arguments or not isinstance(arguments[0], dialect.Call):
            return await own(vm, *arguments)
        try:
            answer = await other(of(vm), arguments[0])
            answer.payload()
        except errors.ElbflowError as error:
            raise flow.ForeignFailure(*dialect.failure(str(error))) from error
        return answer

    return carry_out
