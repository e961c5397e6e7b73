"""Answers in wire form."""

from __future__ import annotations

import orjson

from elbflow_engine.core import api


def empty_poll(operation: str) -> api.Object:
    """The answer of a poll whose hold ended without a task (spec/swf-semantics 4.1)."""
    if operation == "PollForDecisionTask":
        return {"previousStartedEventId": 0, "startedEventId": 0}
    return {"startedEventId": 0}


def render(result: api.Page) -> bytes:
    """The body of an answer: zero bytes for a void result. Events are copied, never parsed again."""
    if result is None:
        return b""
    if not isinstance(result, api.HistoryPage):
        return orjson.dumps(result)
    members = [orjson.dumps(result.head)[1:-1]] if result.head else []
    members.append(b'"events":[' + b",".join(result.events) + b"]")
    if result.next_page_token is not None:
        members.append(b'"nextPageToken":' + orjson.dumps(result.next_page_token))
    return b"{" + b",".join(members) + b"}"
