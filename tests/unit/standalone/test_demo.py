"""A tour that fails must say what was expected, what was seen and where the logs are, and exit non-zero."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from elbflow_standalone import __main__ as command
from elbflow_standalone import credentials, layout, stack
from elbflow_standalone.demo import narrator, tour


@contextlib.contextmanager
def _no_stack(where: layout.Layout, on_progress: object) -> Iterator[None]:
    where.make_directories()
    credentials.load_or_create(where)
    yield


def test_failed_step_is_told_and_logs_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def play(self: tour.Tour) -> None:
        narrator.expect(False, "two back ends", "one")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(stack, "running", _no_stack)
    monkeypatch.setattr(tour.Tour, "play", play)
    assert command.main(["demo"]) == 1
    told = capsys.readouterr().out
    assert "expected two back ends, saw one" in told
    assert "Logs: " in told


def test_narrator_shows_time_and_detail_of_finished_steps() -> None:
    out = io.StringIO()
    story = narrator.Narrator(out)
    with story.step("create") as step:
        step.detail = "done"
    assert "✓ create" in out.getvalue()
    assert out.getvalue().rstrip().endswith("done")
    assert [one.title for one in story.steps] == ["create"]


def test_narrator_marks_the_step_that_failed() -> None:
    out = io.StringIO()
    with pytest.raises(narrator.StepFailed), narrator.Narrator(out).step("create"):
        narrator.expect(1 > 2, "one", 2)
    assert "✗ create: expected one, saw 2" in out.getvalue()
