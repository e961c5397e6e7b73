"""Wrong calls and wrong implementations of activities."""

from __future__ import annotations

from datetime import timedelta

from elbflow import flow


@flow.abstract_activity(name="create role", version="1")
async def create_role(key: str, path: str = "/") -> int: ...


@flow.activity(name="delete role", version="1", start_to_close=30)  # error: arg-type | reportArgumentType
async def delete_role(number: int) -> None:
    """Remove a role."""


@flow.activity(name="not async", version="1")  # error: arg-type | reportArgumentType
def not_async(number: int) -> None:
    """Activities are coroutine functions."""


async def wrong_calls() -> None:
    await create_role(7)  # error: arg-type | reportArgumentType
    await create_role()  # error: call-arg | reportCallIssue
    await create_role("key", "/", "more")  # error: call-arg | reportCallIssue
    await create_role("key", road="/")  # error: call-arg | reportCallIssue
    word: str = await create_role("key")  # error: assignment | reportAssignmentType
    create_role("key")  # error: unused-coroutine | reportUnusedCoroutine
    slower = create_role.using(start_to_close=timedelta(minutes=5))
    await slower(word, 7)  # error: arg-type | reportArgumentType
    create_role.using(retry=3)  # error: arg-type | reportArgumentType
    create_role.using(timeout=timedelta(0))  # error: call-arg | reportCallIssue


async def wrong_compensation(number: int) -> None:
    async with flow.compensate() as undo:
        undo.push(delete_role, "seven")  # error: arg-type | reportArgumentType
        undo.push(delete_role)  # error: call-arg | reportCallIssue
        undo.push(delete_role, nummer=number)  # error: call-arg | reportCallIssue
        undo.push(delete_role(number))  # error: arg-type | reportArgumentType, reportCallIssue


async def other_argument(key: int, path: str = "/") -> int:
    return key


async def other_result(key: str, path: str = "/") -> str:
    return key


async def no_arguments() -> None:
    """An argument short."""


async def fewer_arguments(key: str) -> int:
    return len(key)


def not_a_coroutine(key: str, path: str = "/") -> int:
    return len(key)


def wrong_bindings(registry: flow.ActivityRegistry) -> None:
    registry.bind(create_role, other_argument)  # error: arg-type | reportArgumentType
    registry.bind(create_role, other_result)  # error: arg-type | reportArgumentType
    registry.bind(create_role, fewer_arguments)  # error: arg-type | -
    registry.bind(delete_role, no_arguments)  # error: arg-type | reportArgumentType
    registry.bind(create_role, not_a_coroutine)  # error: arg-type | reportArgumentType
    registry.bind(other_result)  # error: arg-type | reportArgumentType
