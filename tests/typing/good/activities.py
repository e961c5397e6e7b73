"""What the declarations of activities give to workflows and to workers."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, assert_type

from elbflow import flow


@flow.abstract_activity(name="create role", version="1", start_to_close=timedelta(seconds=30))
async def create_role(key: str, path: str = "/") -> int: ...


@flow.activity(name="delete role", version="1", retry=flow.RetryPolicy(3, timedelta(seconds=1)))
async def delete_role(number: int) -> None:
    """Remove a role."""
    context = flow.activity_context()
    await context.heartbeat(f"removing {number}")
    assert_type(context.idempotency_key, str)
    assert_type(context.cancel_requested, bool)


async def carry_out(key: str, path: str = "/") -> int:
    return len(key + path)


class Roles:
    async def remove(self, number: int) -> None:
        self.removed = number


async def workflow_code() -> int:
    assert_type(await create_role("key"), int)
    assert_type(await create_role("key", "/path"), int)
    assert_type(await create_role(key="key", path="/path"), int)
    scheduled: Coroutine[Any, Any, int] = create_role("key")
    assert_type(await scheduled, int)
    patient = create_role.using(start_to_close=timedelta(minutes=5), retry=None, task_list="slow")
    assert_type(await patient("key", path="/"), int)
    async with flow.compensate() as undo:
        number = await create_role("key")
        undo.push(delete_role, number)
        undo.push(delete_role.using(task_list="other"), number=number)
    return number


def worker_code(roles: Roles) -> flow.ActivityRegistry:
    registry = flow.ActivityRegistry()
    registry.bind(create_role, carry_out)
    registry.bind(delete_role)
    flow.ActivityRegistry().bind(delete_role, roles.remove)
    return registry
