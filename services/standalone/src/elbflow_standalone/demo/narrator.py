"""Tells the tour: a line per step with its time, and the whole story of what went wrong if something does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from elbflow import errors


class StepFailed(errors.Permanent):
    """A step of the tour did not end as it should."""

    def __init__(self, expected: str, seen: str) -> None:
        super().__init__(f"expected {expected}, saw {seen}")
        self.expected = expected
        self.seen = seen


def expect(condition: bool, expected: str, seen: object) -> None:
    """Raise :class:`StepFailed` unless ``condition`` holds."""
    if not condition:
        raise StepFailed(expected, str(seen))


@dataclass(slots=True)
class Step:
    """One step under way; ``detail`` may be set by the step and is shown behind its title."""

    title: str
    started: float
    detail: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class Narrator:
    """Writes to ``out`` and keeps the finished steps."""

    out: TextIO
    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show that a step has begun, and how it ended."""
        step = Step(title, time.monotonic())
        if self.out.isatty():
            self._write(f"  … {title}", end="\r")
        try:
            yield step
        except BaseException as error:
            self._write(f"  ✗ {title}: {error or type(error).__name__}")
            raise
        step.seconds = time.monotonic() - step.started
        self.steps.append(step)
        self._write(f"  ✓ {title:<68} {step.seconds:6.2f} s  {step.detail}")

    def say(self, text: str = "") -> None:
        self._write(text)

    def _write(self, text: str, end: str = "\n") -> None:
        # A finished step's line overwrites the one that announced it.
        self.out.write(f"{text}\x1b[K{end}" if self.out.isatty() else f"{text}{end}")
        self.out.flush()
