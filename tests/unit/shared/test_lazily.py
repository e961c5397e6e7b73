"""Names of packages that are loaded at their first use."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

from elbflow import flow, service


@pytest.mark.parametrize("package", [flow, service])
def test_a_package_has_all_that_it_lists_and_nothing_else(package: ModuleType) -> None:
    assert all(hasattr(package, name) for name in package.__all__)
    with pytest.raises(AttributeError, match=r"module 'elbflow\.\w+' has no attribute 'nothing'"):
        _ = package.nothing


def test_the_first_use_of_one_brings_all() -> None:
    program = (
        "import sys\n"
        "from elbflow import flow\n"
        "before = 'elbflow.flow.decision_worker' in sys.modules, 'replay' in vars(flow)\n"
        "import elbflow.flow.replaying\n"
        "from elbflow.flow import workflow\n"
        "print(*before, callable(vars(flow)['replay']), vars(flow)['workflow'] is workflow)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False", "True", "True"]
