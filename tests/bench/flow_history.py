"""One long history in the spelling of each framework: the same work, the same events, their own ids and payloads.

The standard library alone: the programs that replay in the interpreters of other frameworks import it too.

A round of the workflow is one activity, then :data:`FAN` of them at the same time, then a timer of a second::

    for number in range(rounds):
        total += await double(number)
        total += sum(await gather(*(double(one) for one in range(FAN))))
        await sleep(1)
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Protocol

FAN = 8
EVENTS_PER_ROUND = 6 + 3 * FAN + 3 + 5
START_S = 1_700_000_000.0
WORKFLOW_ID = "replayed"
RUN_ID = "run"
PAGE = 1_000
"""SWF hands out at most so many events at once."""
TASK_LIST = "decisions"

Event = dict[str, Any]


class Activity(NamedTuple):
    """How a framework writes down one call of the activity."""

    name: str
    version: str
    id: str
    input: str
    result: str


class Dialect(Protocol):
    """How a framework names things and writes values; called in the order in which its workflow asks."""

    workflow: tuple[str, str]

    def start_input(self, rounds: int) -> str: ...

    def activity(self, number: int) -> Activity:
        """The next call, which doubles ``number``."""

    def timer(self) -> str:
        """Id of the next timer."""


def rounds_for(events: int) -> int:
    """How many rounds make a history of at least ``events``."""
    return -(-(events - 3) // EVENTS_PER_ROUND)


def total(rounds: int) -> int:
    """What the workflow returns."""
    return sum(2 * number for number in range(rounds)) + rounds * sum(2 * number for number in range(FAN))


def history(dialect: Dialect, rounds: int) -> list[Event]:
    """Everything up to the last decision, which is started and not yet answered: it will close the execution."""
    written = _Written(dialect, rounds)
    for number in range(rounds):
        written.activities([number])
        written.activities(range(FAN))
        written.timer()
    written.start_decision()
    return written.events


def pages(events: list[Event], workflow: tuple[str, str]) -> list[bytes]:
    """The bodies of PollForDecisionTask's answers that bring ``events``."""
    task = {
        "taskToken": "token",
        "startedEventId": len(events),
        "previousStartedEventId": 0,
        "workflowExecution": {"workflowId": WORKFLOW_ID, "runId": RUN_ID},
        "workflowType": {"name": workflow[0], "version": workflow[1]},
    }
    found: list[bytes] = []
    for first in range(0, len(events), PAGE):
        following = {"nextPageToken": str(len(found) + 1)} if first + PAGE < len(events) else {}
        found.append(json.dumps({**task, **following, "events": events[first : first + PAGE]}).encode())
    return found


class _Written:
    def __init__(self, dialect: Dialect, rounds: int) -> None:
        self.events: list[Event] = []
        self._dialect = dialect
        self._now = START_S
        name, version = dialect.workflow
        self._add(
            "WorkflowExecutionStarted",
            input=dialect.start_input(rounds),
            workflowType={"name": name, "version": version},
            taskList={"name": TASK_LIST},
            executionStartToCloseTimeout="86400",
            taskStartToCloseTimeout="60",
            childPolicy="TERMINATE",
            parentInitiatedEventId=0,
            tagList=[],
        )
        self._need_decision()

    def activities(self, numbers: Any) -> None:
        """The running decision asks for them; all of them are done before the next decision starts."""
        decided = self._decide()
        asked = [(self._schedule(call, decided), call) for call in map(self._dialect.activity, numbers)]
        started = [self._add("ActivityTaskStarted", identity="worker", scheduledEventId=number) for number, _ in asked]
        for position, (scheduled, call) in enumerate(asked):
            self._add(
                "ActivityTaskCompleted",
                result=call.result,
                scheduledEventId=scheduled,
                startedEventId=started[position],
            )
            if position == 0:
                self._need_decision()

    def timer(self) -> None:
        timer, decided = self._dialect.timer(), self._decide()
        started = self._add("TimerStarted", timerId=timer, startToFireTimeout="1", decisionTaskCompletedEventId=decided)
        self._now += 1
        self._add("TimerFired", timerId=timer, startedEventId=started)
        self._need_decision()

    def start_decision(self) -> int:
        return self._add("DecisionTaskStarted", identity="decider", scheduledEventId=self._scheduled)

    def _decide(self) -> int:
        started = self.start_decision()
        return self._add("DecisionTaskCompleted", scheduledEventId=self._scheduled, startedEventId=started)

    def _schedule(self, call: Activity, decided: int) -> int:
        return self._add(
            "ActivityTaskScheduled",
            activityType={"name": call.name, "version": call.version},
            activityId=call.id,
            input=call.input,
            taskList={"name": TASK_LIST},
            scheduleToStartTimeout="60",
            scheduleToCloseTimeout="120",
            startToCloseTimeout="60",
            heartbeatTimeout="30",
            decisionTaskCompletedEventId=decided,
        )

    def _need_decision(self) -> None:
        self._scheduled = self._add("DecisionTaskScheduled", taskList={"name": TASK_LIST}, startToCloseTimeout="60")

    def _add(self, kind: str, **attributes: Any) -> int:
        self._now += 0.001
        self.events.append(
            {
                "eventTimestamp": round(self._now, 3),
                "eventType": kind,
                "eventId": len(self.events) + 1,
                kind[0].lower() + kind[1:] + "EventAttributes": attributes,
            }
        )
        return len(self.events)
