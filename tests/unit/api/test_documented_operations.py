"""docs/api-compatibility.md names exactly what is served."""

from __future__ import annotations

import re
from pathlib import Path

from elbflow_api.actions import ACTIONS

PAGE = Path(__file__).parents[3] / "docs" / "api-compatibility.md"


def test_page_lists_every_served_operation_and_no_other() -> None:
    listed = set(re.findall(r"^\| `([A-Za-z]+)` \| yes", PAGE.read_text(), re.MULTILINE))
    assert listed == set(ACTIONS)
