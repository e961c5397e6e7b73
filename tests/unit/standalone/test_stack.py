from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from elbflow_standalone import layout, stack, supervision


def test_a_second_stack_in_one_data_directory_is_refused_before_it_touches_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = layout.Layout(tmp_path / "data", 0)

    def first_stack(_: layout.Layout) -> Mapping[str, int]:
        return {"engine": 11, "api": 12}

    def nothing_to_stop(_: layout.Layout, __: object) -> None:
        pytest.fail("the first stack's load balancers were stopped")

    monkeypatch.setattr(stack, "_require_programs", lambda: None)
    monkeypatch.setattr(supervision, "pids", first_stack)
    monkeypatch.setattr(supervision, "stop", nothing_to_stop)

    with (
        pytest.raises(stack.CannotStart, match=r"a stack runs in .* already \(pids \[11, 12\]\)"),
        stack.running(where),
    ):
        pytest.fail("two stacks in one directory")
    assert not where.supervisor_conf.exists()
