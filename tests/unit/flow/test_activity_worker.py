"""Carrying out activities."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import random
import weakref
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from elbflow import errors, flow, swf
from elbflow.clock import ManualClock, settle
from elbflow.flow import activity_worker, failures


@flow.abstract_activity(name="work", version="1", heartbeat=timedelta(seconds=30))
async def work(number: int, word: str = "w") -> str:
    """Does something."""


@flow.abstract_activity(name="quick", version="1")
async def quick(number: int) -> str:
    """Does something without heartbeats."""


class Bench:
    def __init__(self, service: Any, scheduler: Any) -> None:
        self.service = service
        self.clock = ManualClock()
        self.registry = CollectorRegistry()
        self.activities = flow.ActivityRegistry()
        self.worker = flow.ActivityWorker(
            service,
            scheduler,
            domain="domain",
            task_list="list",
            registry=self.activities,
            identity="host:1",
            clock=self.clock,
            rng=random.Random(1),
            metrics=flow.Metrics(self.registry),
        )

    def bind(self, function: Callable[..., Awaitable[str]], activity: Any = work) -> None:
        self.activities.bind(activity, function)

    def task(self, input_: str | None = "[1]", name: str = "work") -> swf.ActivityTask:
        return swf.ActivityTask("token", "7", swf.TypeId(name, "1"), swf.Execution("w", "run"), 5, input_)

    def outcome(self, outcome: str, name: str = "work") -> float:
        labels = {"activity": name, "outcome": outcome}
        return self.registry.get_sample_value("flow_activity_seconds_count", labels) or 0.0


@pytest.fixture
def bench(service: Any, scheduler: Any) -> Bench:
    return Bench(service, scheduler)


async def test_it_registers_its_types_and_polls_while_it_is_open(bench: Bench, service: Any, scheduler: Any) -> None:
    async def function(number: int, word: str = "w") -> str:
        return word

    bench.bind(function)
    async with bench.worker:
        ((task_list, options),) = scheduler.lanes
        assert task_list == swf.TaskList(swf.TaskKind.ACTIVITY, "domain", "list")
        assert options["on_orphan"] == bench.worker.give_back
    assert scheduler.closed == 1
    assert service.calls[0][1] == ("domain", swf.TypeId("work", "1"))
    assert service.calls[0][2]["task_list"] == "list"
    assert service.calls[0][2]["heartbeat"] == timedelta(seconds=30)


async def test_a_list_among_many_is_not_the_types_default(bench: Bench, service: Any, scheduler: Any) -> None:
    async def function(number: int, word: str = "w") -> str:
        return word

    bench.bind(function)
    worker = flow.ActivityWorker(
        service,
        scheduler,
        domain="d",
        task_list="i-1",
        registry=bench.activities,
        identity="host:1",
        lane_class="vm",
    )
    async with worker:
        assert service.calls[0][2]["task_list"] is None


async def test_it_runs_the_function_and_answers_its_result(bench: Bench, service: Any) -> None:
    seen: list[Any] = []

    async def function(number: int, word: str = "w") -> str:
        context = flow.activity_context()
        seen.append((context.idempotency_key, context.execution, context.task_token, context.activity_type))
        return word * number

    bench.bind(function)
    await bench.worker.handle(bench.task("[3]"))
    assert service.calls == [("respond_activity_task_completed", ("token", '"www"'), {})]
    assert seen == [("run:7", swf.Execution("w", "run"), "token", swf.TypeId("work", "1"))]
    assert bench.outcome("completed") == 1
    with pytest.raises(LookupError):
        flow.activity_context()


@pytest.mark.parametrize(("error", "permanent"), [(swf.UnknownResource("gone"), True), (OSError("gone"), False)])
async def test_errors_become_failures(bench: Bench, service: Any, error: Exception, permanent: bool) -> None:
    async def function(number: int, word: str = "w") -> str:
        raise error

    bench.bind(function)
    await bench.worker.handle(bench.task())
    ((token, reason, details),) = service.named("respond_activity_task_failed")
    said = json.loads(details)
    assert (token, reason) == ("token", type(error).__name__)
    assert (said["type"], said["message"], said["permanent"]) == (reason, "gone", permanent)
    assert "test_activity_worker.py" in said["trace"]
    assert len(said["trace"]) <= 8_000
    assert bench.outcome("failed") == 1


async def test_a_result_that_does_not_fit_is_a_permanent_failure(bench: Bench, service: Any) -> None:
    text = "".join(chr(code) for code in random.Random(4).sample(range(0x4E00, 0x9FFF), 20_000)) * 2

    async def function(number: int, word: str = "w") -> str:
        return text

    bench.bind(function)
    await bench.worker.handle(bench.task())
    ((_, reason, details),) = service.named("respond_activity_task_failed")
    assert reason == "PayloadTooLarge"
    assert json.loads(details)["permanent"] is True


@pytest.mark.parametrize(
    ("task", "reason"),
    [({"input_": "nonsense"}, "PayloadMismatch"), ({"name": "unheard of"}, "UnknownActivity")],
)
async def test_tasks_it_cannot_carry_out_fail(bench: Bench, service: Any, task: dict[str, str], reason: str) -> None:
    async def function(number: int, word: str = "w") -> str:
        return word

    bench.bind(function)
    await bench.worker.handle(bench.task(**task))
    ((_, said, details),) = service.named("respond_activity_task_failed")
    assert said == reason
    assert json.loads(details)["permanent"] is False


async def test_heartbeats_come_by_themselves(bench: Bench, service: Any) -> None:
    done = asyncio.Event()

    async def function(number: int, word: str = "w") -> str:
        await done.wait()
        return word

    bench.bind(function)
    handling = asyncio.create_task(bench.worker.handle(bench.task()))
    await bench.clock.advance(60)
    beats = len(service.named("record_activity_task_heartbeat"))
    assert 6 <= beats <= 8  # every 8 to 10 seconds
    done.set()
    await handling
    await bench.clock.advance(60)
    assert len(service.named("record_activity_task_heartbeat")) == beats


async def test_a_heartbeat_wakes_the_process_once(bench: Bench, service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    sleep = bench.clock.sleep

    async def noted(delay_s: float) -> None:
        slept.append(delay_s)
        await sleep(delay_s)

    async def function(number: int, word: str = "w") -> str:
        await asyncio.Event().wait()
        return word

    bench.bind(function)
    monkeypatch.setattr(bench.clock, "sleep", noted)
    handling = asyncio.create_task(bench.worker.handle(bench.task()))
    await bench.clock.advance(300)
    beats = len(service.named("record_activity_task_heartbeat"))
    assert 30 <= beats <= 34
    assert len(slept) == beats + 1
    handling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handling


async def test_without_a_heartbeat_deadline_there_are_none(bench: Bench, service: Any) -> None:
    async def function(number: int) -> str:
        await bench.clock.sleep(1_000)
        return "done"

    bench.bind(function, quick)
    handling = asyncio.create_task(bench.worker.handle(bench.task(name="quick")))
    await bench.clock.advance(1_000)
    await handling
    assert service.names == ["respond_activity_task_completed"]


async def test_manual_heartbeats_carry_details_and_are_coalesced(bench: Bench, service: Any) -> None:
    async def function(number: int, word: str = "w") -> str:
        context = flow.activity_context()
        await context.heartbeat("one")
        await context.heartbeat("two")
        await context.heartbeat("three")
        await bench.clock.sleep(15)
        with pytest.raises(flow.PayloadTooLarge):
            await context.heartbeat("x" * 3_000)
        return word

    bench.bind(function)
    handling = asyncio.create_task(bench.worker.handle(bench.task()))
    await bench.clock.advance(15)
    await handling
    assert service.named("record_activity_task_heartbeat") == [("token", "one"), ("token", "three")]


async def test_a_heartbeat_that_fails_is_repeated_with_its_details(bench: Bench, service: Any) -> None:
    service.faults = [swf.Unavailable("down")]

    async def function(number: int, word: str = "w") -> str:
        await flow.activity_context().heartbeat("kept")
        await bench.clock.sleep(15)
        return word

    bench.bind(function)
    handling = asyncio.create_task(bench.worker.handle(bench.task()))
    await bench.clock.advance(15)
    await handling
    assert service.named("record_activity_task_heartbeat") == [("token", "kept"), ("token", "kept")]
    assert bench.outcome("completed") == 1


async def test_cancellation_arrives_and_is_answered(bench: Bench, service: Any) -> None:
    cleaned: list[bool] = []
    service.cancel_requested = True

    async def function(number: int, word: str = "w") -> str:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(flow.activity_context().cancel_requested)
        return word

    bench.bind(function)
    handling = asyncio.create_task(bench.worker.handle(bench.task()))
    await bench.clock.advance(11)
    await handling
    assert cleaned == [True]
    assert service.names[-1] == "respond_activity_task_canceled"
    assert bench.outcome("canceled") == 1


async def test_an_activity_may_finish_in_spite_of_the_cancellation(bench: Bench, service: Any) -> None:
    service.cancel_requested = True

    async def function(number: int, word: str = "w") -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "finished"
        return word

    bench.bind(function)
    handling = asyncio.create_task(bench.worker.handle(bench.task()))
    await bench.clock.advance(11)
    await handling
    assert service.named("respond") == [("token", '"finished"')]


async def test_an_activity_whose_execution_closed_is_stopped_without_an_answer(bench: Bench, service: Any) -> None:
    service.faults = [swf.UnknownResource("Unknown execution")]

    async def function(number: int, word: str = "w") -> str:
        await asyncio.Event().wait()
        return word

    bench.bind(function)
    handling = asyncio.create_task(bench.worker.handle(bench.task()))
    await bench.clock.advance(11)
    await handling
    assert service.names == ["record_activity_task_heartbeat"]
    assert bench.outcome("gone") == 1


async def test_an_answer_that_nobody_wants_is_counted(bench: Bench, service: Any) -> None:
    async def function(number: int, word: str = "w") -> str:
        return word

    bench.bind(function)
    service.faults = [swf.UnknownResource("late")]
    await bench.worker.handle(bench.task())
    assert bench.registry.get_sample_value("flow_activities_stale_total", {"activity": "work"}) == 1
    service.faults = [swf.Unavailable("down")]
    await bench.worker.handle(bench.task())
    assert bench.outcome("completed") == 2


async def test_a_cancellation_nobody_asked_for_is_a_failure(bench: Bench, service: Any) -> None:
    async def function(number: int, word: str = "w") -> str:
        raise asyncio.CancelledError

    bench.bind(function)
    await bench.worker.handle(bench.task())
    ((_, reason, _),) = service.named("respond_activity_task_failed")
    assert reason == "CancelledError"


async def test_a_second_signal_stops_activities_and_answers_them(bench: Bench, service: Any) -> None:
    cleaned: list[int] = []

    async def function(number: int, word: str = "w") -> str:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(number)
        return word

    bench.bind(function)
    handling = asyncio.create_task(bench.worker.handle(bench.task()))
    await settle()
    handling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handling
    assert cleaned == [1]
    ((_, reason, details),) = service.named("respond_activity_task_failed")
    assert reason == failures.WORKER_STOPPED
    assert json.loads(details)["permanent"] is False
    assert bench.outcome("stopped") == 1


async def test_an_activity_that_does_not_stop_is_answered_all_the_same(
    bench: Bench, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity_worker, "CLEANUP_S", 0.01)
    leave = asyncio.Event()

    async def function(number: int, word: str = "w") -> str:
        while not leave.is_set():
            try:
                await leave.wait()
            except asyncio.CancelledError:
                continue
        return word

    bench.bind(function)
    handling = asyncio.create_task(bench.worker.handle(bench.task()))
    await settle()
    handling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handling
    assert service.named("respond_activity_task_failed")[0][1] == failures.WORKER_STOPPED
    leave.set()
    await settle()


async def test_a_second_signal_does_not_tear_an_answer(bench: Bench, service: Any) -> None:
    async def function(number: int, word: str = "w") -> str:
        return word

    bench.bind(function)
    handling = asyncio.create_task(bench.worker.handle(bench.task()))
    while not service.calls and not handling.done():
        await asyncio.sleep(0)
        if bench.service.entered:
            handling.cancel()
            break
    with pytest.raises(asyncio.CancelledError):
        await handling
    assert service.names == ["respond_activity_task_completed"]


async def test_heartbeats_that_break_off_are_logged(bench: Bench, service: Any) -> None:
    service.faults = [RuntimeError("bug")]

    async def function(number: int, word: str = "w") -> str:
        await bench.clock.sleep(20)
        return word

    bench.bind(function)
    with structlog.testing.capture_logs() as logs:
        handling = asyncio.create_task(bench.worker.handle(bench.task()))
        await bench.clock.advance(20)
        await handling
    assert [entry["event"] for entry in logs] == ["heartbeats_broke_off"]
    assert bench.outcome("completed") == 1


async def test_orphans_are_given_back(bench: Bench, service: Any) -> None:
    await bench.worker.give_back(bench.task())
    ((_, reason, _),) = service.named("respond_activity_task_failed")
    assert reason == failures.WORKER_STOPPED
    error = failures.decode("work", *service.named("respond_activity_task_failed")[0][1:])
    assert not error.permanent
    assert isinstance(error, errors.Permanent)  # unhandled, it fails the workflow


async def test_a_draining_worker_gives_tasks_back_to_other_workers(bench: Bench, service: Any, scheduler: Any) -> None:
    scheduler.is_stopping = True
    await bench.worker.give_back(bench.task())
    ((_, reason, details),) = service.named("respond_activity_task_failed")
    assert reason == failures.WORKER_SHUTDOWN
    assert not failures.decode("work", reason, details).permanent


@pytest.mark.parametrize("text", ["\x00" * 8_000, "\udc80\udcff", '"\n' * 8_000])
async def test_failures_of_any_text_are_accepted_by_swf(bench: Bench, service: Any, text: str) -> None:
    """Escaped, they exceeded SWF's limit or were no text at all: the answer was refused and lost."""

    async def function(number: int, word: str = "w") -> str:
        raise RuntimeError(text)

    bench.bind(function)
    await bench.worker.handle(bench.task())
    ((_, _, details),) = service.named("respond_activity_task_failed")
    assert len(details) <= 32_768
    assert details.encode()
    assert json.loads(details)["message"]


async def test_versions_live_side_by_side(bench: Bench, service: Any) -> None:
    @flow.activity(name="work", version="2")
    async def newer(number: int) -> int:
        return number * 10

    async def older(number: int, word: str = "w") -> str:
        return word * number

    bench.bind(older)
    bench.activities.bind(newer)
    for version in ("1", "2", "3"):
        await bench.worker.handle(dataclasses.replace(bench.task("[3]"), activity_type=swf.TypeId("work", version)))
    assert service.named("respond_activity_task_completed") == [("token", '"www"'), ("token", "30")]
    ((_, reason, details),) = service.named("respond_activity_task_failed")
    assert reason == "UnknownActivity"
    assert "'work' in version '3' (it has 1, 2) on list 'list'" in json.loads(details)["message"]


async def test_details_of_the_last_heartbeat_go_with_the_answer_to_a_cancellation(bench: Bench, service: Any) -> None:
    service.cancel_requested = True

    async def function(number: int, word: str = "w") -> str:
        await flow.activity_context().heartbeat("at 7")
        await asyncio.Event().wait()
        return word

    bench.bind(function)
    await bench.worker.handle(bench.task())
    assert service.named("respond_activity_task_canceled") == [("token", "at 7")]


async def test_a_message_that_is_shortened_says_so(bench: Bench, service: Any) -> None:
    async def function(number: int, word: str = "w") -> str:
        raise RuntimeError("x" * 50_000)

    bench.bind(function)
    await bench.worker.handle(bench.task())
    ((_, _, details),) = service.named("respond_activity_task_failed")
    message = json.loads(details)["message"]
    assert len(message) <= 8_100
    assert message.endswith("(50,000 characters in all)")


async def test_an_error_that_cannot_be_shown_is_answered_too(bench: Bench, service: Any) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    async def function(number: int, word: str = "w") -> str:
        raise Mute

    bench.bind(function)
    await bench.worker.handle(bench.task())
    ((_, reason, _),) = service.named("respond_activity_task_failed")
    assert reason == "Mute"


async def test_whoever_wants_to_know_hears_that_swf_has_the_result(bench: Bench, service: Any) -> None:
    heard: list[int] = []

    async def function(number: int, word: str = "w") -> str:
        flow.activity_context().delivered = lambda: heard.append(number)
        return word

    bench.bind(function)
    service.faults = [None, swf.UnknownResource(), swf.Unavailable()]
    for number in (1, 2, 3):
        await bench.worker.handle(bench.task(f"[{number}]"))
    assert heard == [1]


async def test_a_workflow_of_another_framework_hears_of_failures_in_its_own_words(bench: Bench, service: Any) -> None:
    async def function(number: int, word: str = "w") -> str:
        raise flow.ForeignFailure("it says why", '["a.Class", {}]')

    bench.bind(function)
    await bench.worker.handle(bench.task("[1]"))
    assert service.calls == [("respond_activity_task_failed", ("token", "it says why", '["a.Class", {}]'), {})]


async def test_an_activity_that_ended_is_forgotten_without_a_collection(bench: Bench) -> None:
    running: list[weakref.ref[Any]] = []

    async def function(number: int, word: str = "w") -> str:
        running.append(weakref.ref(flow.activity_context()))
        return word

    bench.bind(function)
    gc.disable()
    try:
        await bench.worker.handle(bench.task())
        assert [each() for each in running] == [None]
    finally:
        gc.enable()


async def test_one_table_serves_the_workers_of_many_owners(bench: Bench) -> None:
    class Owner:
        def __init__(self, name: str) -> None:
            self.name = name

        async def work(self, number: int, word: str = "w") -> str:
            return f"{self.name} {word} {number}"

    bench.activities.bind_method(work, Owner.work)
    for name in ("a", "b"):
        binding = bench.activities.of(Owner(name)).find(swf.TypeId("work", "1"))
        assert binding is not None
        assert await binding.implementation(7) == f"{name} w 7"
    assert bench.activities.of(Owner("c")).find(swf.TypeId("work", "2")) is None
    assert bench.activities.of(Owner("c")).activities() == (work,)


async def test_a_function_beside_methods_does_not_get_their_owner(bench: Bench) -> None:
    async def function(number: int, word: str = "w") -> str:
        return f"{word} {number}"

    bench.bind(function)
    binding = bench.activities.of(object()).find(swf.TypeId("work", "1"))
    assert binding is not None
    assert await binding.implementation(7) == "w 7"
