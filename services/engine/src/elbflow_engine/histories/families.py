"""What histories say about each other (spec/swf-semantics 3.9, 3.10, 9): parents and children, runs, signals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from elbflow_engine.histories.event_rules import CLOSE, RULES
from elbflow_engine.histories.open_items import Block, ensure

Run: TypeAlias = tuple[str, str]
Event: TypeAlias = dict[str, Any]

_CALLS = {
    "SignalExternalWorkflowExecutionInitiated": "WorkflowExecutionSignaled",
    "RequestCancelExternalWorkflowExecutionInitiated": "WorkflowExecutionCancelRequested",
}
_ANSWERS = {
    "ExternalWorkflowExecutionSignaled": "WorkflowExecutionSignaled",
    "ExternalWorkflowExecutionCancelRequested": "WorkflowExecutionCancelRequested",
}


def check_together(histories: Mapping[Run, Sequence[Event]]) -> None:
    """Raise :class:`Violation` when histories of one domain, by (workflow id, run id), contradict each other.

    A history that is not there (its retention is over) is not asked.
    """
    _check_one_open(histories)
    for run, events in histories.items():
        _check_start(run, _block(events[0]), histories)
        for event in events:
            if event["eventType"] in _ANSWERS:
                _check_answer(run, event, histories)
            elif event["eventType"] in _ANSWERS.values():
                _check_origin(run, event, histories)
            elif event["eventType"].startswith("ChildWorkflowExecution"):
                _check_child(run, event, histories)
        if events[-1]["eventType"] == "WorkflowExecutionContinuedAsNew":
            _check_successor(run, _block(events[-1]), histories)
        if events[-1]["eventType"] in CLOSE:
            _check_policy(events, histories)


def _check_one_open(histories: Mapping[Run, Sequence[Event]]) -> None:
    open_ids = Counter(run[0] for run, events in histories.items() if events[-1]["eventType"] not in CLOSE)
    ensure(all(count == 1 for count in open_ids.values()), "more than one open run", open_ids)


def _check_start(run: Run, started: Block, histories: Mapping[Run, Sequence[Event]]) -> None:
    """Whoever has a parent was initiated there, by its own workflow id."""
    if "parentWorkflowExecution" not in started:
        return
    parent = histories.get(_run(started["parentWorkflowExecution"]))
    if parent is not None:
        initiated = parent[started["parentInitiatedEventId"] - 1]
        ensure(initiated["eventType"] == "StartChildWorkflowExecutionInitiated", "parentInitiatedEventId", started)
        ensure(_block(initiated)["workflowId"] == run[0], "the parent initiated another child", started)


def _check_child(run: Run, event: Event, histories: Mapping[Run, Sequence[Event]]) -> None:
    """A child's start names its first run, its outcome its last; both know their parent."""
    block = _block(event)
    child = histories.get(_run(block["workflowExecution"]))
    if child is None:
        return
    started = _block(child[0])
    ensure(_run(started["parentWorkflowExecution"]) == run, "the child has another parent", block)
    ensure(started["parentInitiatedEventId"] == block["initiatedEventId"], "initiated event of the child", block)
    if event["eventType"] != "ChildWorkflowExecutionStarted":
        ensure(event["eventType"] == f"Child{child[-1]['eventType']}", "the child closed otherwise", block)
        for name in ("result", "reason", "details"):
            told = None if "Terminated" in event["eventType"] else _block(child[-1]).get(name)
            ensure(block.get(name) == told, f"{name} of the child", block)


def _check_successor(run: Run, closed: Block, histories: Mapping[Run, Sequence[Event]]) -> None:
    """The next run begins as the close event says, with the same parent."""
    successor = histories.get((run[0], closed["newExecutionRunId"]))
    if successor is None:
        return
    started, before = _block(successor[0]), _block(histories[run][0])
    ensure(started["continuedExecutionRunId"] == run[1], "continuedExecutionRunId", started)
    for name in ("parentWorkflowExecution", "parentInitiatedEventId"):
        ensure(started.get(name) == before.get(name), f"{name} is inherited", started)
    told = closed.keys() - {"decisionTaskCompletedEventId", "newExecutionRunId"}
    ensure(all(started.get(name) == closed[name] for name in told), "configuration of the successor", started)
    times = [histories[run][-1]["eventTimestamp"], successor[0]["eventTimestamp"]]
    ensure(times[0] >= times[1], "a successor starts in the unit that closes its predecessor", times)


def _check_policy(parent: Sequence[Event], histories: Mapping[Run, Sequence[Event]]) -> None:
    """Only termination and timeout apply a policy, that of their close event, to the children open then (9.2)."""
    policy = _block(parent[-1]).get("childPolicy", "ABANDON")
    if parent[-1]["eventType"] == "WorkflowExecutionContinuedAsNew":
        policy = "ABANDON"
    for first in _open_children(parent):
        runs = _chain(first, histories)
        if not runs:
            continue
        applied = [one for run in runs for one in run if _block(one).get("cause") == "CHILD_POLICY_APPLIED"]
        last = runs[-1][-1]
        if policy == "TERMINATE":
            ensure(last["eventType"] in CLOSE, "a child outlived its parent", first)
        elif policy == "ABANDON":
            ensure(not applied, "an abandoned child was told", first)
        else:
            canceled = any(one["eventType"] == "WorkflowExecutionCancelRequested" for one in applied)
            full = _block(last).get("cause") == "EVENT_LIMIT_EXCEEDED"
            ensure(canceled or full, "a child was not asked to cancel", first)


def _open_children(events: Sequence[Event]) -> list[Run]:
    """First runs of the children that were open at the end of a history."""
    found: dict[int, Run] = {}
    for event in events:
        if event["eventType"] == "ChildWorkflowExecutionStarted":
            found[_block(event)["initiatedEventId"]] = _run(_block(event)["workflowExecution"])
        elif event["eventType"].startswith("ChildWorkflowExecution"):
            del found[_block(event)["initiatedEventId"]]
    return list(found.values())


def _chain(run: Run, histories: Mapping[Run, Sequence[Event]]) -> list[Sequence[Event]]:
    """A run and its successors; nothing when one of them is not there."""
    runs: list[Sequence[Event]] = []
    while (events := histories.get(run)) is not None:
        runs.append(events)
        if events[-1]["eventType"] != "WorkflowExecutionContinuedAsNew":
            return runs
        run = run[0], _block(events[-1])["newExecutionRunId"]
    return []


def _check_answer(run: Run, event: Event, histories: Mapping[Run, Sequence[Event]]) -> None:
    """What a source was told to have delivered is in the target's history, exactly once."""
    block = _block(event)
    target = histories.get(_run(block["workflowExecution"]))
    if target is None:
        return
    kind = _ANSWERS[event["eventType"]]
    origin = (run, block["initiatedEventId"])
    found = sum(1 for one in _of_kind(target, kind) if _origin(one) == origin)
    # The target may have had no room left: then its history ends with its limit (3.1).
    full = _block(target[-1]).get("cause") == "EVENT_LIMIT_EXCEEDED"
    ensure(found == 1 or (full and not found), f"{kind} was delivered {found} times", block)


def _check_origin(run: Run, event: Event, histories: Mapping[Run, Sequence[Event]]) -> None:
    """What came from another execution was initiated there."""
    origin = _origin(_block(event))
    source = None if origin is None else histories.get(origin[0])
    if origin is None or source is None:
        return
    initiated = source[origin[1] - 1]
    ensure(_CALLS.get(initiated["eventType"]) == event["eventType"], "externalInitiatedEventId", event)
    ensure(_block(initiated)["workflowId"] == run[0], "the source addressed another execution", event)


def _origin(block: Block) -> tuple[Run, int] | None:
    source = block.get("externalWorkflowExecution")
    return None if source is None else (_run(source), block["externalInitiatedEventId"])


def _of_kind(events: Sequence[Event], kind: str) -> Iterator[Block]:
    return (_block(event) for event in events if event["eventType"] == kind)


def _block(event: Event) -> Block:
    block: Block = event[RULES[event["eventType"]].block]
    return block


def _run(execution: Block) -> Run:
    return execution["workflowId"], execution["runId"]
