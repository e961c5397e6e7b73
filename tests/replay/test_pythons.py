"""Under every Python at hand workflows decide the same."""

from __future__ import annotations

import sys

import pytest
from tests.replay import pythons


@pytest.mark.timeout(300)  # two processes for each of them
def test_all_pythons_at_hand_decide_the_same() -> None:
    found = pythons.found()
    assert sys.executable in found
    assert pythons.differences(found, seeds=("7",)) == []


def test_an_interpreter_without_the_packages_is_not_used() -> None:
    assert pythons.is_equipped(sys.executable)
    assert not pythons.is_equipped("/bin/false")
