"""One workflow execution as a picture in text, drawn from its SWF history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from elbflow.contract import names
from elbflow_standalone import aws

_WIDTH = 40


@dataclass(slots=True)
class Bar:
    """One activity or timer: its label and when it was scheduled, started and ended, in seconds from the start."""

    label: str
    scheduled: float
    started: float | None = None
    ended: float | None = None
    outcome: str = "open"


def of_execution(swf: aws.Client, execution: aws.Answer) -> str:
    """Fetch the history of ``execution`` and draw it."""
    pages = swf.get_paginator("get_workflow_execution_history").paginate(domain=names.DOMAIN, execution=execution)
    return render([event for page in pages for event in page["events"]])


def render(events: Sequence[aws.Answer]) -> str:
    """Draw a history: a bar per activity and timer (`·` waiting, `█` running), then what closed the execution."""
    origin = events[0]["eventTimestamp"].timestamp()
    total = max(events[-1]["eventTimestamp"].timestamp() - origin, 0.001)
    decisions = sum(event["eventType"] == "DecisionTaskCompleted" for event in events)
    name = events[0]["workflowExecutionStartedEventAttributes"]["workflowType"]["name"]
    head = f"{name}: {len(events)} events, {decisions} decisions, {total * 1000:.0f} ms, {events[-1]['eventType']}"
    return "\n".join([head, *(_draw(bar, total) for bar in bars(events, origin))])


def bars(events: Sequence[aws.Answer], origin: float) -> list[Bar]:
    """The activities and timers of a history in the order they were scheduled."""
    found: dict[int, Bar] = {}
    for event in events:
        kind = event["eventType"]
        attributes = event.get(f"{kind[0].lower()}{kind[1:]}EventAttributes", {})
        at = event["eventTimestamp"].timestamp() - origin
        if kind == "ActivityTaskScheduled":
            found[event["eventId"]] = Bar(attributes["activityType"]["name"].rpartition(".")[2], at)
        elif kind == "TimerStarted":
            found[event["eventId"]] = Bar(f"timer {attributes['startToFireTimeout']} s", at, started=at)
        elif kind == "ActivityTaskStarted":
            found[attributes["scheduledEventId"]].started = at
        else:
            _end(found, kind, attributes, at)
    return list(found.values())


def _end(found: dict[int, Bar], kind: str, attributes: aws.Answer, at: float) -> None:
    for prefix, link in (("ActivityTask", "scheduledEventId"), ("Timer", "startedEventId")):
        outcome = kind.removeprefix(prefix)
        if kind.startswith(prefix) and outcome in {"Completed", "Failed", "TimedOut", "Canceled", "Fired"}:
            bar = found[attributes[link]]
            bar.ended, bar.outcome = at, outcome.lower()


def _draw(bar: Bar, total: float) -> str:
    end = bar.ended if bar.ended is not None else total
    start = bar.started if bar.started is not None else end
    first, middle, last = (round(moment / total * _WIDTH) for moment in (bar.scheduled, start, end))
    last = max(last, middle + 1)
    drawn = " " * first + "·" * (middle - first) + "█" * (last - middle)
    return f"  {bar.label:<46.46} {bar.scheduled * 1000:6.0f} ms |{drawn:<{_WIDTH + 1}}| {bar.outcome}"
