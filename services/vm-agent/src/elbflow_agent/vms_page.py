"""``/debug/vms``: what each VM of the process serves (spec/vm-agent-data-plane 10, no. 154)."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence

import orjson

from elbflow.service import debug

_FORM = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE


def page_of(vms: Callable[[], Sequence[object]]) -> debug.Page:
    """A page for :meth:`elbflow.service.Process.add_debug` with what ``vms`` tells; when each polled last, its lane
    says at ``/debug/polling``.
    """

    async def answer(query: Mapping[str, str], form: debug.Form) -> str:
        if query:
            raise ValueError(f"{', '.join(query)} is not known here; there is format alone")
        text = orjson.dumps(vms(), option=_FORM).decode()
        return f"<!doctype html><title>VMs</title><pre>{html.escape(text)}</pre>" if form == "html" else text

    return answer
