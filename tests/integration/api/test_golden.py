"""Golden requests and answers: every row through boto3, and some of each operation through the AWS CLI."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.api import conftest
from tests.integration.api.golden import aws_cli, rows, stage, stages
from tests.integration.api.golden.table import Refused, Row
from tests.unit.api import wire

from elbflow_api.actions import ACTIONS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def theatre(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[stage.Stage]:
    async with _opened(empty_store, tmp_path_factory) as opened:
        yield opened


@contextlib.asynccontextmanager
async def _opened(
    empty_store: Path, tmp_path_factory: pytest.TempPathFactory, **more: Any
) -> AsyncIterator[stage.Stage]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in conftest.ENVIRONMENT.items():
            patch.setenv(name, value)
        path = shutil.copy(empty_store, tmp_path_factory.mktemp("golden"))
        async with stage.open_stage(f"sqlite+aiosqlite:///{path}", **more) as opened:
            yield opened


async def _play(theatre: stage.Stage, group: list[Row]) -> list[str]:
    troupe = await theatre.troupe()
    if failure := await troupe.prepare(group[0].after):
        return [f"before {group[0].title}: {failure}"]
    played = [(row, await troupe.play(row)) for row in group]
    return [f"{row.title}: {failure}" for row, failure in played if failure]


def _judge(failures: Iterable[str]) -> None:
    if found := [one for one in failures if one]:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.mark.parametrize("operation", sorted({row.call.operation for row in rows.PLAYED}))
async def test_every_row_through_boto3(theatre: stage.Stage, operation: str) -> None:
    await _play_all(theatre, [row for row in rows.PLAYED if row.call.operation == operation])


@pytest.mark.parametrize("name", sorted(stages.STAGES))
async def test_every_row_of_other_stages(
    empty_store: Path, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    async with _opened(empty_store, tmp_path_factory, **stages.STAGES[name].settings) as theatre:
        await _play_all(theatre, stages.STAGES[name].rows)


async def _play_all(theatre: stage.Stage, played: list[Row]) -> None:
    failures = await asyncio.gather(*(_play(theatre, group) for group in rows.groups(played)))
    _judge(one for some in failures for one in some)


async def _play_by_process(theatre: stage.Stage, row: Row) -> str:
    troupe = await theatre.troupe()
    failure = await troupe.prepare(row.after) or await troupe.play(row, cli=True)
    return failure and f"{row.title}: {failure}"


@pytest.mark.timeout(180)
async def test_every_operation_through_the_aws_cli(theatre: stage.Stage) -> None:
    played = rows.through_the_cli()
    assert {row.call.operation for row in played} == set(ACTIONS)
    assert os.access(aws_cli.PROGRAM, os.X_OK)
    failures = await asyncio.gather(*(_play_by_process(theatre, row) for row in played))
    _judge(failures)


async def test_there_is_a_row_for_every_operation_and_every_error_of_the_model() -> None:
    wanted = {
        (name, str(shape.metadata["error"]["code"]))
        for name in ACTIONS
        for shape in wire.MODEL.operation_model(name).error_shapes
    }
    had = {(row.call.operation, row.expected.code) for row in rows.ROWS if isinstance(row.expected, Refused)}
    assert wanted - had == {pair for pair in rows.NEVER if pair[0] in ACTIONS}
    assert not had & rows.NEVER.keys()
    assert {row.call.operation for row in rows.ROWS if not isinstance(row.expected, Refused)} == set(ACTIONS)
