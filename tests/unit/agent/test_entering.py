"""Contexts whose beginning alone needs something."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest

from elbflow_agent import entering


@contextlib.asynccontextmanager
async def told(said: list[str], name: str, *, fails: bool = False) -> AsyncIterator[str]:
    said.append(f"{name} in")
    try:
        yield name
    finally:
        said.append(f"{name} out")
    if fails:
        raise TimeoutError(name)


async def test_the_gate_is_left_before_the_block_begins() -> None:
    said: list[str] = []
    async with entering.Through(told(said, "gate"), told(said, "inner")) as value:
        said.append(f"block of {value}")
    assert said == ["gate in", "inner in", "gate out", "block of inner", "inner out"]


async def test_what_has_begun_ends_when_the_gate_fails() -> None:
    said: list[str] = []
    with pytest.raises(TimeoutError, match="gate"):
        async with entering.Through(told(said, "gate", fails=True), told(said, "inner")):
            said.append("block")
    assert said == ["gate in", "inner in", "gate out", "inner out"]


async def test_the_errors_of_the_block_end_it() -> None:
    said: list[str] = []
    with pytest.raises(KeyError):
        async with entering.Through(told(said, "gate"), told(said, "inner")):
            raise KeyError
    assert said[-1] == "inner out"
