"""The table of docs/swf-compatibility.md maps every item of the specification's checklist to tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "swf-compatibility.md"
ITEMS = dict(re.findall(r"^\| (13\.\d+) \|[^|]*\| (.*) \|$", PAGE.read_text(), re.MULTILINE))


def test_every_item_is_there() -> None:
    assert list(ITEMS) == [f"13.{number}" for number in range(1, 17)]


@pytest.mark.parametrize("item", ITEMS)
def test_its_tests_exist(item: str) -> None:
    references = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", ITEMS[item])
    assert references or "table above" in ITEMS[item]
    for path, name in references:
        text = (ROOT / path).read_text()
        assert not name or re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), name
