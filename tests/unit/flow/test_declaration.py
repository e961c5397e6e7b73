"""Activities declared by the function that carries them out, and binding them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from elbflow import flow, swf


@flow.activity(name="count", version="2", start_to_close=timedelta(seconds=5), retry=None)
async def count(word: str, least: int = 0) -> int:
    return max(len(word), least)


@flow.abstract_activity(name="abstract", version="1")
async def abstract(word: str) -> int:
    """Declared here, carried out elsewhere."""


async def test_the_function_is_bound_without_more_words() -> None:
    registry = flow.ActivityRegistry()
    registry.bind(count)
    found = registry.find(swf.TypeId("count", "2"))
    assert found is not None
    assert await found.implementation("word", 7) == 7
    assert count.options == flow.ActivityOptions(start_to_close=timedelta(seconds=5))
    assert not count.using(task_list="other").abstract


async def test_another_implementation_may_be_bound() -> None:
    async def double(word: str, least: int = 0) -> int:
        return 2 * len(word)

    registry = flow.ActivityRegistry()
    registry.bind(count, double)
    found = registry.find(count.type)
    assert found is not None
    assert await found.implementation("word") == 8


def test_an_abstract_activity_needs_an_implementation() -> None:
    with pytest.raises(TypeError, match="abstract: bind it to the function"):
        flow.ActivityRegistry().bind(abstract)


def test_nothing_is_bound_twice_but_versions_are_kept_apart() -> None:
    @flow.activity(name="count", version="1")
    async def older(word: str) -> int:
        return len(word)

    registry = flow.ActivityRegistry()
    registry.bind(older)
    registry.bind(count)
    assert registry.versions("count") == ("1", "2")
    assert registry.versions("other") == ()
    with pytest.raises(ValueError, match="count 2 is bound already"):
        registry.bind(count)
