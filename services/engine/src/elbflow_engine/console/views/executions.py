"""Executions of a domain: open or closed ones, filtered as the API filters, newest first."""

from __future__ import annotations

from typing import Any

from elbflow_engine import core
from elbflow_engine.console import asked, events, source
from elbflow_engine.console.views.base import View

PAGE = 50
_FIELDS = ("workflow", "type", "version", "tag", "status", "by", "from", "to")
STATUSES = ("COMPLETED", "FAILED", "CANCELED", "TERMINATED", "CONTINUED_AS_NEW", "TIMED_OUT")


async def view(engine: source.Source, query: asked.Query) -> View:
    """One page of a list. Filters that the API refuses to combine are told as the API tells it, above the form."""
    owner, domain = query.text("account"), query.text("domain")
    state = query.choice("state", "open", "closed")
    token = query.maybe("token")
    params = {"domain": domain, **_filters(query, state)}
    page: dict[str, Any] = {"maximumPageSize": PAGE} | ({"nextPageToken": token} if token else {})
    refused: core.Fault | None = None
    answer: source.Answer = {"executionInfos": []}
    try:
        answer = await engine.call(owner, f"List{state.title()}WorkflowExecutions", params | page)
    except core.Fault as fault:
        if fault.code != "ValidationException":
            raise
        refused = fault
    following = answer.get("nextPageToken")
    context = {
        "account": owner,
        "domain": domain,
        "state": state,
        "asked": {field: query.maybe(field) or "" for field in _FIELDS},
        "filtered": any(query.maybe(field) for field in _FIELDS),
        "statuses": STATUSES,
        "refused": None if refused is None else refused.message,
        "infos": [_info(engine, info, owner, domain) for info in answer["executionInfos"]],
        "is_first": token is None,
        "first": asked.address("executions", **query.without("token")),
        "next": None if following is None else asked.address("executions", **query.without("token"), token=following),
        "other": {
            other: asked.address("executions", account=owner, domain=domain, state=other)
            for other in ("open", "closed")
        },
    }
    live = asked.address("live/executions", **query.without("token")) if token is None and refused is None else None
    return View("executions", context, ("listing",), live)


def _filters(query: asked.Query, state: str) -> dict[str, Any]:
    """The members of the request that the form's fields stand for."""
    by_start = state == "open" or query.choice("by", "closed", "started") == "started"
    bounds: dict[str, Any] = {"oldestDate": query.moment("from") or 0}
    if (latest := query.moment("to")) is not None:
        bounds["latestDate"] = latest
    filters: dict[str, Any] = {"startTimeFilter" if by_start else "closeTimeFilter": bounds}
    if (workflow_id := query.maybe("workflow")) is not None:
        filters["executionFilter"] = {"workflowId": workflow_id}
    if (name := query.maybe("type")) is not None:
        version = query.maybe("version")
        filters["typeFilter"] = {"name": name} | ({} if version is None else {"version": version})
    if (tag := query.maybe("tag")) is not None:
        filters["tagFilter"] = {"tag": tag}
    if state == "closed" and (status := query.maybe("status")) is not None:
        if status not in STATUSES:
            raise asked.Unclear("“status” is none of the close statuses.")
        filters["closeStatusFilter"] = {"status": status}
    return filters


def _info(engine: source.Source, info: source.Answer, owner: str, domain: str) -> dict[str, Any]:
    run = info["execution"]
    start_ms = events.milliseconds(info["startTimestamp"])
    end_ms = events.milliseconds(info["closeTimestamp"]) if "closeTimestamp" in info else None
    return {
        "workflow_id": run["workflowId"],
        "run_id": run["runId"],
        "type": f"{info['workflowType']['name']} {info['workflowType']['version']}",
        "status": info.get("closeStatus", "OPEN"),
        "start_ms": start_ms,
        "end_ms": end_ms,
        # Of an open one the age would change with every look, and every look would be an update.
        "took_ms": None if end_ms is None else end_ms - start_ms,
        "tags": info.get("tagList", []),
        "cancel_requested": info["cancelRequested"],
        "href": asked.address("execution", account=owner, domain=domain, workflow=run["workflowId"], run=run["runId"]),
    }
