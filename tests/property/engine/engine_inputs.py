"""What the machine may send to the engine."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from elbflow_engine import core
from elbflow_engine.testing import decision

SAMPLE = {"name": "sample", "version": "1"}
SPARE = {"name": "spare", "version": "1"}
NEVER = {"name": "none", "version": "1"}
WORKFLOWS = ("w", "v", "u")
CHILDREN = ("child", "grandchild")
LISTS = ("main", "host", "children")
CLOSING = (
    "CompleteWorkflowExecution",
    "FailWorkflowExecution",
    "CancelWorkflowExecution",
    "ContinueAsNewWorkflowExecution",
)
LIMITS = core.Limits(history_events=60, open_activities=3, open_timers=3, open_children=2, purge_batch=20)

stickiness = st.sampled_from([None, None, None, "", "2", "NONE"])
"""None: no override, an empty text: one for good, else one that expires."""

workflow_ids = st.sampled_from([*WORKFLOWS, *WORKFLOWS, *CHILDREN])
small = st.sampled_from(["NONE", "NONE", "NONE", "0", "3", "10"])
policies = st.sampled_from(["TERMINATE", "REQUEST_CANCEL", "ABANDON"])
priorities = st.sampled_from(["0", "1", "-1"])


def rarely(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Usually an empty list, else one element."""
    return st.integers(0, 5).flatmap(lambda n: st.lists(strategy, min_size=n == 5, max_size=n == 5))


closing = st.one_of(
    st.builds(decision, st.sampled_from(CLOSING[:3])),
    st.builds(
        decision,
        st.just("ContinueAsNewWorkflowExecution"),
        childPolicy=policies,
        workflowTypeVersion=st.sampled_from(["1", "1", "1", "2"]),
    ),
)
activities = st.builds(
    decision,
    st.just("ScheduleActivityTask"),
    activityId=st.sampled_from(["a", "b", "c", "d", "e", "f"]),
    activityType=st.sampled_from([SAMPLE, SAMPLE, SAMPLE, SPARE, NEVER]),
    scheduleToStartTimeout=small,
    scheduleToCloseTimeout=small,
    startToCloseTimeout=small,
    heartbeatTimeout=small,
    taskPriority=priorities,
)
ordinary = st.one_of(
    activities,
    activities,
    activities,
    st.builds(decision, st.just("RequestCancelActivityTask"), activityId=st.sampled_from(["a", "b", "c"])),
    st.builds(
        decision,
        st.just("StartTimer"),
        timerId=st.sampled_from(["s", "t"]),
        startToFireTimeout=st.sampled_from(["0", "2", "20"]),
    ),
    st.builds(decision, st.just("CancelTimer"), timerId=st.sampled_from(["s", "t"])),
    st.builds(decision, st.just("RecordMarker"), markerName=st.just("m")),
    st.builds(
        decision,
        st.just("StartChildWorkflowExecution"),
        workflowId=st.sampled_from([*WORKFLOWS, *CHILDREN, *CHILDREN]),
        workflowType=st.sampled_from([SAMPLE, SAMPLE, SAMPLE, SPARE, NEVER]),
        taskList=st.just({"name": "children"}),
        childPolicy=policies,
        control=st.sampled_from(["", "c"]),
    ),
    st.builds(
        decision,
        st.just("SignalExternalWorkflowExecution"),
        workflowId=workflow_ids,
        signalName=st.just("s"),
        control=st.sampled_from(["", "c"]),
    ),
    st.builds(decision, st.just("RequestCancelExternalWorkflowExecution"), workflowId=workflow_ids),
    st.builds(decision, st.just("ScheduleLambdaFunction"), id=st.just("i"), name=st.just("f")),
)
batches = st.builds(lambda some, last: [*some, *last], st.lists(ordinary, min_size=1, max_size=4), rarely(closing))
