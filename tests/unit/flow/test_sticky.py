"""Runs kept in memory: which answers bind them, which tasks may use them, and what forgets them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from elbflow import flow, swf
from elbflow.clock import ManualClock
from elbflow.flow.sticky import settings

GENERAL = "decisions"


class Sticky:
    """A sticky worker, and the tasks that its one execution would get."""

    def __init__(self, programs: Any, body: Any, service: Any, scheduler: Any, **options: Any) -> None:
        self.run = programs.run(body, options.pop("number", 1))
        self.service = service
        self.scheduler = scheduler
        self.registry = CollectorRegistry()
        self.clock = ManualClock()
        given = {"audit_share": 0.0} | options
        self.worker = flow.DecisionWorker(
            service,
            scheduler,
            domain="domain",
            task_list=GENERAL,
            workflows=[self.run.workflow_class],
            identity="host:1",
            sticky=flow.Sticky(**given),
            clock=self.clock,
            rng=random.Random(1),
            metrics=flow.Metrics(self.registry),
        )
        self.previous = 0
        self.task: swf.DecisionTask | None = None
        service.answer_history = self.history

    def history(self, limit: int | None) -> list[swf.HistoryEvent]:
        return list(self.run.swf.events[:limit])

    @property
    def own_list(self) -> str:
        return str(self.scheduler.lanes[1][0].name)

    def poll(self, *, whole: bool = False) -> swf.DecisionTask:
        events = self.run.swf.poll()
        window = events if whole else events[max(self.previous, 1) - 1 :]
        started = events[-1].id
        self.task = swf.DecisionTask(
            str(started), self.run.swf.execution, self.run.swf.workflow_type, started, self.previous, window
        )
        return self.task

    async def handle(self, task: swf.DecisionTask, *, own: bool) -> dict[str, Any]:
        """Let the worker answer; what it said beside the decisions. SWF takes the answer as it is."""
        self.service.calls.clear()
        await self.scheduler.lanes[1 if own else 0][1]["handler"](task)
        answers = [call for call in self.service.calls if call[0].startswith("respond")]
        if not answers:
            return {}
        _, (_, decisions), options = answers[-1]
        self.run.swf.respond(decisions, options["execution_context"])
        self.previous = task.started_event_id
        return {name: value for name, value in options.items() if name != "execution_context"}

    def forget(self) -> None:
        assert self.worker._cache is not None
        self.worker._cache.clear()

    def count(self, what: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"flow_cache_{what}", labels) or 0.0

    @property
    def looked_up(self) -> tuple[float, float]:
        return self.count("lookups_total", result="hit"), self.count("lookups_total", result="miss")


async def sleeps(self: Any, number: int) -> int:
    for _ in range(number):
        await flow.sleep(10)
    return number


@pytest.fixture
async def sticky(programs: Any, service: Any, scheduler: Any) -> AsyncIterator[Sticky]:
    made = Sticky(programs, sleeps, service, scheduler, number=3)
    async with made.worker:
        yield made


async def first(sticky: Sticky) -> dict[str, Any]:
    told = await sticky.handle(sticky.poll(), own=False)
    sticky.run.swf.fire("1")
    return told


async def test_a_life_in_memory_ends_on_the_general_list(sticky: Sticky) -> None:
    bound = {"task_list": sticky.own_list, "schedule_to_start": timedelta(seconds=5)}
    assert await first(sticky) == bound
    assert sticky.looked_up == (0, 0)
    assert (sticky.count("executions"), sticky.count("bytes") > 1_000) == (1, True)
    assert await sticky.handle(sticky.poll(), own=True) == bound
    sticky.run.swf.fire("2")
    assert await sticky.handle(sticky.poll(), own=True) == bound
    sticky.run.swf.fire("3")
    assert await sticky.handle(sticky.poll(), own=True) == {"task_list": GENERAL, "schedule_to_start": None}
    assert sticky.run.swf.closed == "WorkflowExecutionCompleted"
    assert sticky.looked_up == (3, 0)
    assert (sticky.count("executions"), sticky.count("bytes")) == (0, 0)
    assert "get_workflow_execution_history" not in sticky.service.names
    flow.replay(sticky.run.workflow_class, sticky.run.swf.events, execution=sticky.run.swf.execution)


async def test_memory_serves_whole_histories_as_well(sticky: Sticky) -> None:
    await first(sticky)
    assert "task_list" in await sticky.handle(sticky.poll(whole=True), own=False)
    assert sticky.looked_up == (1, 0)


@pytest.mark.parametrize("fault", [swf.Ambiguous("broken line"), swf.UnknownResource("late"), swf.Unavailable("down")])
async def test_an_answer_not_known_to_be_accepted_is_forgotten(sticky: Sticky, fault: Exception) -> None:
    await first(sticky)
    sticky.service.faults = [fault]
    task = sticky.poll()
    await sticky.scheduler.lanes[1][1]["handler"](task)
    assert sticky.count("executions") == 0
    sticky.run.swf.time_out_decision()
    assert "task_list" in await sticky.handle(sticky.poll(whole=True), own=False)
    assert sticky.looked_up == (1, 1)


async def test_a_miss_on_the_own_list_fetches_what_came_before(sticky: Sticky) -> None:
    await first(sticky)
    sticky.forget()
    assert "task_list" in await sticky.handle(sticky.poll(), own=True)
    fetched = [options for name, _, options in sticky.service.calls if name == "get_workflow_execution_history"]
    assert fetched == [{"limit": 2}]
    assert sticky.looked_up == (0, 1)


async def test_a_history_that_lags_behind_is_asked_for_again_and_then_left(sticky: Sticky) -> None:
    await first(sticky)
    sticky.forget()
    sticky.service.answer_history = lambda limit: []
    handling = asyncio.create_task(sticky.handle(sticky.poll(), own=True))
    while not handling.done():
        await sticky.clock.advance(0.1)
    assert handling.result() == {}
    assert sticky.service.names.count("get_workflow_execution_history") == 3


async def test_two_tasks_of_a_run_at_once_never_share_it(sticky: Sticky) -> None:
    await first(sticky)
    task = sticky.poll()
    handler = sticky.scheduler.lanes[1][1]["handler"]
    await asyncio.gather(handler(task), handler(task))
    answers = sticky.service.named("respond")
    assert len(answers) == 2 + 1
    assert answers[1][1] == answers[2][1]
    assert sticky.looked_up == (1, 1)
    assert sticky.count("executions") == 1


async def overtaking(sticky: Sticky) -> tuple[asyncio.Task[None], asyncio.Task[None], asyncio.Event]:
    """An answer that SWF has accepted without having said so yet, and the next task, queued while it was given."""
    await first(sticky)
    accepted = asyncio.Event()
    real = sticky.service.__getattr__("respond_decision_task_completed")

    async def respond(token: str, decisions: Any, **options: Any) -> None:
        await real(token, decisions, **options)
        if sticky.run.swf.decision_runs and token == str(sticky.previous):
            sticky.run.swf.respond(decisions, options["execution_context"])
            await accepted.wait()

    sticky.service.respond_decision_task_completed = respond
    handler = sticky.scheduler.lanes[1][1]["handler"]
    task = sticky.poll()
    sticky.run.swf.signal("unheard", "1")
    sticky.previous = task.started_event_id
    answering = asyncio.create_task(handler(task))
    while sticky.run.swf.decision_runs:
        await asyncio.sleep(0)
    return answering, asyncio.create_task(handler(sticky.poll())), accepted


async def test_a_task_that_overtakes_the_word_of_the_last_answer_finds_the_run(sticky: Sticky) -> None:
    answering, following, accepted = await overtaking(sticky)
    await asyncio.sleep(0.02)
    assert not following.done()
    accepted.set()
    await asyncio.gather(answering, following)
    assert sticky.looked_up == (2, 0)
    assert "get_workflow_execution_history" not in sticky.service.names
    assert len(sticky.worker._decider.in_flight) == 0


async def test_it_waits_for_a_moment_only(sticky: Sticky) -> None:
    answering, following, accepted = await overtaking(sticky)
    await following
    assert sticky.looked_up == (1, 1)
    assert not answering.done()
    accepted.set()
    await answering
    assert sticky.count("executions") == 1
    assert len(sticky.worker._decider.in_flight) == 0


@pytest.mark.parametrize("who", ["answering", "following"])
async def test_cancelled_meanwhile_nothing_is_left_behind(sticky: Sticky, who: str) -> None:
    answering, following, accepted = await overtaking(sticky)
    await asyncio.sleep(0)
    (answering if who == "answering" else following).cancel()
    await asyncio.sleep(0)
    accepted.set()
    await asyncio.gather(answering, following, return_exceptions=True)
    assert answering.cancelled() is (who == "answering")
    assert following.cancelled() is (who == "following")
    assert sticky.looked_up == ((1, 1) if who == "answering" else (1, 0))
    assert len(sticky.worker._decider.in_flight) == 0


async def test_what_a_task_brings_counts_at_once(programs: Any, service: Any, scheduler: Any) -> None:
    async def collects(self: Any, number: int) -> int:
        self.many = [str(index) for index in range(5_000)]
        queue = flow.signals(flow.SignalSignature("words", str))
        self.words = [await queue.get() for _ in range(number)]
        return number

    made = Sticky(programs, collects, service, scheduler, number=60)
    async with made.worker:
        await made.handle(made.poll(), own=False)
        before = made.count("bytes")
        for _ in range(20):
            made.run.swf.signal("words", f'"{"y" * 30_000}"')
            await made.handle(made.poll(), own=True)
        assert made.looked_up == (20, 0)
        assert 600_000 < made.count("bytes") - before < 1_000_000


async def test_a_task_answered_before_does_not_drop_what_is_ahead(sticky: Sticky) -> None:
    await first(sticky)
    task = sticky.poll()
    await sticky.handle(task, own=True)
    sticky.service.faults = [None, swf.UnknownResource("answered already")]
    await sticky.scheduler.lanes[1][1]["handler"](task)
    assert sticky.count("executions") == 1
    sticky.run.swf.fire("2")
    await sticky.handle(sticky.poll(), own=True)
    assert sticky.looked_up == (2, 1)


async def test_runs_that_stand_behind_are_forgotten(sticky: Sticky) -> None:
    await first(sticky)
    task = sticky.poll()  # another decider answers it
    sticky.run.swf.respond((swf.Decision("StartTimer", {"timerId": "2", "startToFireTimeout": "10"}),))
    sticky.previous = task.started_event_id
    sticky.run.swf.fire("2")
    assert "task_list" in await sticky.handle(sticky.poll(), own=True)
    assert sticky.looked_up == (0, 1)


async def test_what_is_too_large_stays_on_the_general_list(programs: Any, service: Any, scheduler: Any) -> None:
    tiny = Sticky(programs, sleeps, service, scheduler, number=3, bytes=100)
    async with tiny.worker:
        assert await first(tiny) == {}
        assert await tiny.handle(tiny.poll(), own=True) == {"task_list": GENERAL, "schedule_to_start": None}
    assert tiny.count("executions") == 0


async def test_draining_gives_executions_back(sticky: Sticky) -> None:
    await first(sticky)
    sticky.scheduler.is_stopping = True
    assert await sticky.handle(sticky.poll(), own=True) == {"task_list": GENERAL, "schedule_to_start": None}
    assert sticky.count("executions") == 0
    sticky.run.swf.fire("2")
    assert await sticky.handle(sticky.poll(whole=True), own=False) == {}


async def test_closing_forgets_everything(programs: Any, service: Any, scheduler: Any) -> None:
    made = Sticky(programs, sleeps, service, scheduler, number=3)
    async with made.worker:
        await first(made)
        assert made.count("executions") == 1
    assert made.count("executions") == 0
    assert await made.handle(made.poll(), own=True) == {"task_list": GENERAL, "schedule_to_start": None}


async def test_an_endpoint_that_refuses_task_lists_is_asked_once(sticky: Sticky) -> None:
    sticky.service.faults = [swf.Invalid("unknown parameter taskList")]
    with structlog.testing.capture_logs() as logs:
        assert await first(sticky) == {}
        assert await sticky.handle(sticky.poll(whole=True), own=False) == {}
    assert [entry["event"] for entry in logs] == ["sticky_execution_off"]
    assert sticky.scheduler.closed == 1
    assert sticky.count("executions") == 0
    assert sticky.looked_up == (0, 1)


async def test_decisions_that_swf_calls_invalid_are_still_a_defect(sticky: Sticky) -> None:
    sticky.service.faults = [swf.Invalid("bad decision"), swf.Invalid("bad decision")]
    await sticky.scheduler.lanes[0][1]["handler"](sticky.poll())
    assert sticky.registry.get_sample_value("flow_decision_defects_total", {"workflow_type": "sleeps"}) == 1
    assert sticky.worker._affinity.is_known


async def test_an_endpoint_that_sends_whole_histories_to_the_own_list(sticky: Sticky) -> None:
    await first(sticky)
    with structlog.testing.capture_logs() as logs:
        assert await sticky.handle(sticky.poll(whole=True), own=True) == {}
    assert [(entry["event"], entry["reason"]) for entry in logs] == [
        ("sticky_execution_off", "startAtPreviousStartedEvent is ignored")
    ]


async def test_an_endpoint_that_ignores_task_lists_is_noticed(programs: Any, service: Any, scheduler: Any) -> None:
    made = Sticky(programs, sleeps, service, scheduler, number=9)
    async with made.worker:
        await first(made)
        for timer in (2, 3):
            assert "task_list" in await made.handle(made.poll(whole=True), own=False)
            made.run.swf.fire(str(timer))
        assert await made.handle(made.poll(whole=True), own=False) == {}
        assert not made.worker._affinity.is_known


async def test_own_polls_called_invalid_end_it(sticky: Sticky) -> None:
    sticky.scheduler.failure = swf.Invalid("startAtPreviousStartedEvent")
    assert await first(sticky) == {}
    assert not sticky.worker._affinity.is_known


async def test_audits_find_what_the_history_does_not_say(programs: Any, service: Any, scheduler: Any) -> None:
    secret = [0]

    async def forgetful(self: Any, number: int) -> int:
        secret[0] += 1  # every replay counts anew
        await flow.sleep(1)
        await flow.sleep(secret[0])
        return number

    made = Sticky(programs, forgetful, service, scheduler, audit_share=1.0)
    async with made.worker:
        await first(made)
        with structlog.testing.capture_logs() as logs:
            told = await made.handle(made.poll(), own=True)
    assert told == {"task_list": GENERAL, "schedule_to_start": None}
    assert [entry["event"] for entry in logs] == ["sticky_audit_different"]
    assert made.count("audits_total", result="different") == 1
    assert made.run.swf.timers["2"].due - made.run.swf.now == 2


async def test_audits_agree_on_what_is_determined(programs: Any, service: Any, scheduler: Any) -> None:
    made = Sticky(programs, sleeps, service, scheduler, number=3, audit_share=1.0)
    async with made.worker:
        await first(made)
        await made.handle(made.poll(), own=True)
        made.run.swf.fire("2")
        service.faults = [swf.Throttled("slowly")]  # the audit's fetch: the answer stands without it
        assert "task_list" in await made.handle(made.poll(), own=True)
    assert made.count("audits_total", result="ok") == 1
    assert made.count("audits_total", result="different") == 0


def test_names_of_own_lists_are_legal_and_differ_from_boot_to_boot() -> None:
    rng = random.Random(1)
    names = {settings.list_name("host:1/arn|\n" + "x" * 400, rng) for _ in range(5)}
    assert len(names) == 5
    assert all(len(name) <= 256 and not set(name) & set(":/|\n") for name in names)


def test_settings_are_checked() -> None:
    for wrong in ({"bytes": 0}, {"audit_share": 1.5}, {"schedule_to_start": timedelta(0)}):
        with pytest.raises(ValueError, match="audit_share"):
            flow.Sticky(**wrong)


async def test_a_run_that_cannot_be_weighed_is_answered_and_not_kept(
    programs: Any, service: Any, scheduler: Any
) -> None:
    class Opaque:
        def __sizeof__(self) -> int:
            raise ReferenceError("gone")

    async def opaque(self: Any, number: int) -> int:
        self.field = Opaque()
        await flow.sleep(10)
        return number

    sticky = Sticky(programs, opaque, service, scheduler)
    async with sticky.worker:
        assert await first(sticky) == {}
        assert service.names == ["respond_decision_task_completed"]
        assert sticky.count("executions") == 0


async def test_an_error_before_the_answer_leaves_no_run_behind(
    programs: Any, service: Any, scheduler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    unwound: list[int] = []

    async def unwinds(self: Any, number: int) -> int:
        try:
            await flow.sleep(10)
        finally:
            unwound.append(number)
        return number

    def broken() -> None:
        raise RuntimeError("bug")

    sticky = Sticky(programs, unwinds, service, scheduler, number=7)
    async with sticky.worker:
        monkeypatch.setattr(sticky.worker._affinity, "binding", broken)
        assert await sticky.handle(sticky.poll(), own=False) == {}
        assert unwound == [7]
