"""What executions do to each other: children, signals, cancel requests (spec/swf-semantics 3.9, 3.10, 9.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elbflow import swf
from elbflow.flow.testing.entities import Request, type_of

if TYPE_CHECKING:
    from elbflow.flow.testing.world import Running, World

OF_CHILDREN = ("parentWorkflowExecution", "parentInitiatedEventId")
_OF_STARTS = ("executionStartToCloseTimeout", "taskStartToCloseTimeout", "childPolicy", "taskList", "taskPriority")
_OUTCOMES = {
    "WorkflowExecutionCompleted": ("Completed", ("result",)),
    "WorkflowExecutionFailed": ("Failed", ("reason", "details")),
    "WorkflowExecutionCanceled": ("Canceled", ("details",)),
    "WorkflowExecutionTimedOut": ("TimedOut", ("timeoutType",)),
    "WorkflowExecutionTerminated": ("Terminated", ()),
}


def carry_out(world: World, source: Running, request: Request) -> None:
    """Do what an execution asked for, and tell it how it went, if it is still open."""
    if request.decision == "StartChildWorkflowExecution":
        _start_child(world, source, request)
        return
    target = world.open.get(str(request.attributes["workflowId"]))
    run_id = request.attributes.get("runId")
    if target is not None and run_id is not None and target.swf.execution.run_id != run_id:
        target = None
    if target is not None and target.swf.closed is None:
        _reach(source, target, request)
    if source.swf.closed is not None:
        del source.swf.requests[request.initiated_id]
    elif target is None:
        source.swf.not_done(request.initiated_id, "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION")
    else:
        source.swf.reached(request.initiated_id, target.swf.execution.run_id)


def closed(world: World, running: Running) -> None:
    """Tell the parent; apply the child policy to the children of one that was terminated or timed out."""
    outcome, names = _OUTCOMES[str(running.swf.closed)]
    if outcome in ("TimedOut", "Terminated"):
        for child in [one for one in world.open.values() if one.parent is running]:
            _apply(world, child, str(running.swf.settings["childPolicy"]))
    parent = running.parent
    if parent is not None and parent.swf.closed is None:
        attributes = running.swf.close_event.attributes
        said = {name: attributes[name] for name in names if name in attributes}
        parent.swf.close_child(running.parent_initiated_id, outcome, running.swf.execution.run_id, **said)


def _start_child(world: World, parent: Running, request: Request) -> None:
    attributes = request.attributes
    workflow_id, input_ = str(attributes["workflowId"]), attributes.get("input")
    if workflow_id in world.open:
        parent.swf.not_done(request.initiated_id, "WORKFLOW_ALREADY_RUNNING")
        return
    settings = {name: attributes[name] for name in (*_OF_STARTS, "tagList") if attributes.get(name) is not None}
    settings |= {
        "parentWorkflowExecution": _execution(parent.swf.execution),
        "parentInitiatedEventId": request.initiated_id,
    }
    kind = type_of(attributes, "workflowType")
    child = world.start(kind, workflow_id, input_ if isinstance(input_, str) else None, settings)
    child.parent, child.parent_initiated_id = parent, request.initiated_id
    if parent.swf.closed is None:
        parent.swf.child_started(request.initiated_id, child.swf.execution.run_id)
    else:
        del parent.swf.requests[request.initiated_id]


def _reach(source: Running, target: Running, request: Request) -> None:
    origin: dict[str, swf.Json] = {
        "externalWorkflowExecution": _execution(source.swf.execution),
        "externalInitiatedEventId": request.initiated_id,
    }
    if request.decision.startswith("Signal"):
        input_ = request.attributes.get("input")
        name = str(request.attributes["signalName"])
        target.swf.signal(name, input_ if isinstance(input_, str) else None, source=origin)
    else:
        target.swf.request_cancel(source=origin)


def _apply(world: World, child: Running, policy: str) -> None:
    if policy == "TERMINATE":
        world.close(child, "WorkflowExecutionTerminated", {"cause": "CHILD_POLICY_APPLIED"})
    elif policy == "REQUEST_CANCEL":
        child.swf.request_cancel(source={"cause": "CHILD_POLICY_APPLIED"})


def _execution(execution: swf.Execution) -> dict[str, swf.Json]:
    return {"workflowId": execution.workflow_id, "runId": execution.run_id}
