"""Patterns of actions and roles (spec/swf-semantics 1.5)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from elbflow import service


@pytest.mark.parametrize(
    ("pattern", "action", "allowed"),
    [
        ("*", "swf:Anything", True),
        ("swf:*", "swf:StartTimer", True),
        ("swf:*", "iam:ListRoles", False),
        ("swf:PollFor*", "swf:PollForDecisionTask", True),
        ("swf:PollFor*", "swf:CountPendingDecisionTasks", False),
        ("swf:StartTimer", "swf:StartTimer", True),
        ("SWF:starttimer", "swf:StartTimer", True),
        ("swf:StartTimer", "swf:StartTimers", False),
        ("swf:*Domain?", "swf:ListDomains", True),
        ("swf:*Domain?", "swf:DescribeDomain", False),
        ("swf:.*", "swf:StartTimer", False),
    ],
)
def test_patterns(pattern: str, action: str, allowed: bool) -> None:
    assert service.Permissions((pattern,)).allow(action) is allowed


def test_nothing_is_allowed_that_no_pattern_names() -> None:
    assert not service.Permissions(()).allow("swf:StartTimer")
    some = service.Permissions(("swf:Start*", "swf:ListDomains"))
    assert some.denied("swf", ["StartTimer", "CancelTimer", "ListDomains"]) == {"CancelTimer"}


def test_roles_are_found_by_pattern() -> None:
    identity = service.Identity("123456789012", "AKID", admin=False, roles=("a", "vm-7"))
    assert identity.acts_in(["x", "vm-*"])
    assert not identity.acts_in(["v"])
    assert not identity.acts_in([])


def test_a_key_file_says_what_its_keys_may_do(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key = {"access_key_id": "AKID", "secret_access_key": "s", "account": "123456789012"}
    vm = {**key, "access_key_id": "AKVM", "roles": ["vm"], "allow": ["swf:PollFor*", "swf:Respond*"]}
    path.write_text(json.dumps({"keys": [key, vm]}))
    path.chmod(0o600)
    keys = service.StaticKeys.load(path)._credentials
    assert (keys["AKID"].roles, keys["AKID"].permissions) == ((), service.ALLOW_ALL)
    assert (keys["AKVM"].roles, keys["AKVM"].permissions.allowed) == (("vm",), ("swf:PollFor*", "swf:Respond*"))
    for wrong in ({"allow": ["PollFor*"]}, {"allow": "swf:*"}, {"roles": [""]}, {"allow": ["swf:a b"]}):
        path.write_text(json.dumps({"keys": [key | wrong]}))
        with pytest.raises(service.UnusableKeys):
            service.StaticKeys.load(path)


@pytest.mark.parametrize("region", ["a@b", "a.b", "-a", "a" * 64, "ä"])
async def test_a_region_that_is_no_label_is_taken_for_none(region: str) -> None:
    header = f"AWS4-HMAC-SHA256 Credential=AKID/20260101/{region}/swf/aws4_request, SignedHeaders=host, Signature=0"
    request = service.SignedRequest("POST", "/", "", (("Authorization", header),), b"")
    assert (await service.AcceptAll().verify(request)).region == ""
