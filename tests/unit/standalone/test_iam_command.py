"""``elbflow iam``: what operators say is what the front door later finds in the store."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from elbflow import store
from elbflow_standalone import __main__ as command
from elbflow_standalone import credentials

T = TypeVar("T")
ACCOUNT = credentials.ACCOUNT
ALLOW = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "elasticloadbalancing:*", "Resource": "*"}}


class Operator:
    """Says things to the command, and looks into the store."""

    def __init__(self, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._url = url
        self._capsys = capsys

    def say(self, *words: str, code: int = 0) -> str:
        """What the command printed: on stdout, or on stderr when it failed."""
        assert command.main(["iam", *words, "--store", self._url]) == code
        out, err = self._capsys.readouterr()
        return err if code else out

    def look(self, question: Callable[[store.Repositories], Awaitable[T]]) -> T:
        async def ask() -> T:
            async with store.Store(self._url) as db, db.reading() as tx:
                return await question(tx)

        return asyncio.run(ask())


@pytest.fixture
def operator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    url = f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite'}"
    asyncio.run(store.migrate(url))
    return Operator(url, capsys)


@pytest.fixture
def document(tmp_path: Path) -> str:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(ALLOW))
    return str(path)


def exported(text: str) -> dict[str, str]:
    return dict(line.removeprefix("export ").split("=", 1) for line in text.splitlines() if line.startswith("export "))


def test_a_user_with_a_policy_and_a_key(operator: Operator, document: str) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:user/staff/bob"
    assert operator.say("users", "add", "bob", "--path", "/staff/").strip() == arn
    operator.say("policies", "put", "all", document, "--user", "bob")
    keys = exported(operator.say("keys", "add", "--user", "bob"))
    kept = operator.look(lambda tx: tx.access_keys.find(keys["AWS_ACCESS_KEY_ID"]))
    assert kept is not None
    assert (kept.secret_access_key, kept.principal, kept.account) == (keys["AWS_SECRET_ACCESS_KEY"], arn, ACCOUNT)
    assert not kept.admin
    grants = operator.look(lambda tx: tx.access_keys.grants(kept.access_key_id))
    assert [json.loads(one) for one in grants.documents] == [ALLOW]
    shown: Any = json.loads(operator.say("users", "list", "--json"))
    assert shown == [{"arn": arn, "name": "bob", "policies": {"all": ALLOW}}]
    assert "all" in operator.say("users", "list")
    assert operator.say("keys", "list", "--user", "bob").split() == [kept.access_key_id]
    assert operator.say("roles", "list") == ""

    operator.say("policies", "remove", "all", "--user", "bob")
    operator.say("users", "remove", "bob")
    counts = operator.look(lambda tx: tx.row_counts())
    assert {name: count for name, count in counts.items() if count} == {}


def test_a_temporary_key_of_a_role(operator: Operator, document: str) -> None:
    operator.say("roles", "add", "deployer")
    shown: Any = json.loads(
        operator.say("session", "deployer", "--name", "night", "--duration", "600", "--policy", document, "--json")
    )
    kept = operator.look(lambda tx: tx.access_keys.find(shown["AWS_ACCESS_KEY_ID"]))
    assert kept is not None
    assert kept.session_token == shown["AWS_SESSION_TOKEN"]
    assert kept.access_key_id.startswith("ASIA")
    assert (kept.session_name, json.loads(kept.session_policy or "")) == ("night", ALLOW)
    assert kept.expires_at == pytest.approx(time.time() + 600, abs=30)
    assert "operator" not in operator.say("session", "deployer", "--duration", "60")


def test_keys_of_an_account_itself(operator: Operator) -> None:
    keys = exported(operator.say("keys", "add", "--account", "210987654321"))
    kept = operator.look(lambda tx: tx.access_keys.find(keys["AWS_ACCESS_KEY_ID"]))
    assert kept is not None
    assert (kept.account, kept.principal, kept.admin) == ("210987654321", None, False)
    shown = operator.say("keys", "list", "--account", "210987654321", "--json")
    assert json.loads(shown) == [{"access_key_id": kept.access_key_id, "admin": False}]
    operator.say("keys", "remove", kept.access_key_id)
    assert operator.say("keys", "list", "--account", "210987654321") == ""


def test_quotas_of_an_account(operator: Operator) -> None:
    operator.say("accounts", "set", "--quota", "classic-load-balancers=5", "--alias", "shop")
    operator.say("accounts", "set", "--quota", "server-certificates=7")
    assert operator.look(lambda tx: tx.accounts.quotas(ACCOUNT)) == {
        "classic-load-balancers": 5,
        "server-certificates": 7,
    }
    assert "shop" in operator.say("accounts", "list")
    quotas = {"classic-load-balancers": 5, "server-certificates": 7}
    assert json.loads(operator.say("accounts", "list", "--json")) == [
        {"account": ACCOUNT, "alias": "shop", "quotas": quotas}
    ]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("users", "add", "a b"), "is no name"),
        (("users", "add", "bob", "--path", "staff"), "is no path"),
        (("users", "add", "bob", "--account", "1"), "12 digits"),
        (("users", "add", "ANN"), "already"),
        (("users", "remove", "bob"), "has no user bob; to add it: elbflow iam users add bob"),
        (("keys", "add", "--user", "bob"), "has no user bob"),
        (("keys", "add", "--account", "x"), "12 digits"),
        (("keys", "remove", "AKIA"), "no access key"),
        (("session", "bob"), "has no role bob"),
        (("session", "ann", "--duration", "86400"), "lasts"),
        (("policies", "remove", "p", "--user", "ann"), "has no policy"),
        (("policies", "put", "p", "/dev/null", "--user", "ann"), "JSON"),
        (("policies", "put", "p", "/does/not/exist", "--user", "ann"), "cannot be read"),
    ],
)
def test_refusals(operator: Operator, words: tuple[str, ...], reason: str) -> None:
    operator.say("users", "add", "ann")
    assert reason in operator.say(*words, code=1)


def test_the_store_is_for_its_owner_alone(operator: Operator, tmp_path: Path) -> None:
    operator.say("keys", "add")
    assert stat.S_IMODE((tmp_path / "store.sqlite").stat().st_mode) == 0o600


def test_the_address_of_the_store_need_not_be_in_the_command_line(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever is on the machine sees command lines, and passwords in them."""
    monkeypatch.setenv("ELBFLOW_STORE_URL", f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite'}")
    assert command.main(["iam", "users", "add", "bob"]) == 0
    assert "user/bob" in capsys.readouterr().out
    assert "user/bob" in operator.say("users", "list")
