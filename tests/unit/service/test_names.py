from __future__ import annotations

from types import ModuleType

import pytest

from elbflow import service
from elbflow.service import sigv4


@pytest.mark.parametrize("module", [service, sigv4], ids=["service", "sigv4"])
def test_every_public_name_exists_and_is_documented(module: ModuleType) -> None:
    for name in module.__all__:
        value = getattr(module, name)
        if callable(value) and getattr(value, "__module__", "").startswith("elbflow"):
            assert value.__doc__, name
