"""Whose work a request is (spec/swf-long-poll-scale 6.7: account and domain)."""

from __future__ import annotations

from elbflow_engine.core import api, faults
from elbflow_engine.core.world import World


def domain(world: World, account: str, params: api.Object) -> str:
    """The existing domain a request concerns: the one it names, else that of the execution its task token stands for.

    Empty when there is none: a made-up domain must not make a tenant of its own.
    """
    named = params.get("domain")
    if isinstance(named, str):
        return named if (account, named) in world.domains else ""
    token = params.get("taskToken")
    if not isinstance(token, str):
        return ""
    try:
        task = world.tokens.any_task(token)
    except faults.Fault:
        return ""
    execution = world.open.get(task.execution_id)
    return execution.header.domain if execution is not None and execution.header.account == account else ""
