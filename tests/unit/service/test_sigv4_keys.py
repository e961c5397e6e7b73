from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.service import signing

from elbflow import service

KEY = {"access_key_id": "AKID", "secret_access_key": "hunter2", "account": "123456789012"}


def key_file(directory: Path, content: Any, mode: int = 0o600) -> Path:
    path = directory / "keys.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


async def test_keys_are_found_by_id(tmp_path: Path, may_block: None) -> None:
    second = {**KEY, "access_key_id": "ADMIN", "admin": True, "session_token": "t0ken"}
    keys = service.StaticKeys.load(key_file(tmp_path, {"keys": [KEY, second]}))
    assert await keys.find("AKID") == service.Credential("AKID", "hunter2", "123456789012")
    assert await keys.find("ADMIN") == service.Credential("ADMIN", "hunter2", "123456789012", "t0ken", admin=True)
    assert await keys.find("nobody") is None
    assert "hunter2" not in repr(keys)
    assert "hunter2" not in repr(await keys.find("AKID"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_file_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(service.UnusableKeys, match="chmod 600"):
        service.StaticKeys.load(key_file(tmp_path, {"keys": [KEY]}, mode))


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        {"keys": [{**KEY, "account": "1"}]},
        {"keys": [{**KEY, "secret": "x"}]},
        {"keys": [{"access_key_id": "AKID"}]},
        {"keys": [KEY, KEY]},
        {},
    ],
)
def test_wrong_content_is_refused_without_showing_it(tmp_path: Path, content: Any) -> None:
    with pytest.raises(service.UnusableKeys) as caught:
        service.StaticKeys.load(key_file(tmp_path, content))
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        service.StaticKeys.load(tmp_path / "none")


def test_accounts_of_unchecked_keys() -> None:
    assert service.account_of("123456789012") == "123456789012"
    assert service.account_of(None) == service.account_of("") == service.SYSTEM_ACCOUNT
    assert service.account_of("AKIDEXAMPLE") == "022382142306"
    assert service.account_of("AKIDEXAMPLE") != service.account_of("AKIDEXAMPLF")
    assert service.account_of("12345678901²").isdigit()


async def test_accept_all_takes_the_word_of_any_form() -> None:
    accept = service.AcceptAll()
    expected = service.account_of(signing.CREDENTIAL.access_key_id)
    for request in (signing.signed(body=b"{}"), signing.signed(method="GET", presign_s=60)):
        identity = await accept.verify(request)
        assert (identity.account, identity.region, identity.admin) == (expected, signing.REGION, False)
    plain = await accept.verify(service.SignedRequest("GET", "/", "", (), b""))
    assert plain == service.Identity(service.SYSTEM_ACCOUNT, "", admin=True)
    strange = service.SignedRequest("GET", "/", "", (("Authorization", "Basic \udcff"),), b"")
    assert (await accept.verify(strange)).account == service.SYSTEM_ACCOUNT


async def test_accept_all_makes_only_named_accounts_administrators() -> None:
    accept = service.AcceptAll(admin_accounts=frozenset({"123456789012"}))
    header = ("Authorization", "AWS4-HMAC-SHA256 Credential=123456789012/20260101/eu/swf/aws4_request")
    assert (await accept.verify(service.SignedRequest("GET", "/", "", (header,), b""))).admin
    assert not (await accept.verify(service.SignedRequest("GET", "/", "", (), b""))).admin
