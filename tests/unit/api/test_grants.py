"""Who is who among users and roles."""

from __future__ import annotations

import pytest

from elbflow_api import grants


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ("arn:aws:iam::123456789012:role/deployer", True),
        ("arn:aws:iam::123456789012:role/staff/deployer", True),
        ("arn:aws:iam::123456789012:user/bob", False),
        ("arn:aws:iam::123456789012:user/staff:role/bob", False),
        ("", False),
    ],
)
def test_a_users_path_does_not_make_him_a_role(principal: str, expected: bool) -> None:
    assert grants.is_role(principal) is expected
