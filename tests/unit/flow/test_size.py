"""The pure core stays small enough to be read in one sitting."""

from __future__ import annotations

from pathlib import Path

from elbflow.flow import core

LIMIT = 1_500


def test_the_core_keeps_to_its_size() -> None:
    lines = {path.name: path.read_text().count("\n") for path in Path(core.__path__[0]).rglob("*.py")}
    assert len(lines) > 10
    assert sum(lines.values()) <= LIMIT, lines
