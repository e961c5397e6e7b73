"""What the agent of one VM does not load before it is needed: modules are most of its memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

_ABSENT = (
    "boto3",
    "defusedxml",  # for the original's documents alone
    "cryptography.hazmat",  # 8 MB, for the first certificate
    "elbflow.store",
    "elbflow_agent.original.reading",
    "elbflow_activities",
    "elbflow_api",
    "elbflow_decider",
    "elbflow_engine",
    "hypothesis",
    "jinja2",
    "moto",
    "sqlalchemy",
)


@pytest.fixture(scope="module")
def loaded() -> frozenset[str]:
    program = "import sys, elbflow_agent.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return frozenset(done.stdout.split())


@pytest.mark.parametrize("package", _ABSENT)
def test_a_package_that_is_not_needed_at_once_is_not_loaded(loaded: frozenset[str], package: str) -> None:
    assert "elbflow_agent.running" in loaded
    assert [name for name in loaded if name == package or name.startswith(f"{package}.")] == []
