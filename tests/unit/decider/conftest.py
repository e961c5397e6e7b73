"""What the decider's tests share."""

from __future__ import annotations

import pytest
from tests.unit.decider.fakes import Fakes


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()
