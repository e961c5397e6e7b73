"""Tokens are forgery-proof text that every client can carry, the AWS CLI's command line included."""

from __future__ import annotations

import base64
import hmac

import pytest

from elbflow_engine.core import faults
from elbflow_engine.core.tokens import TaskToken, Tokens

TOKENS = Tokens(b"secret")


def test_no_token_begins_with_a_dash_which_a_command_line_takes_for_an_option() -> None:
    for number in range(500):
        token = TaskToken("activity", number, 5, 6)
        text = TOKENS.task(token)
        assert text[0].isalpha()
        assert TOKENS.read_task(text, "activity") == token


@pytest.mark.parametrize(
    "change", [lambda text: text[1:], lambda text: "f" + text[1:], lambda text: text[:-1], str.upper]
)
def test_a_changed_token_is_refused(change: object) -> None:
    assert callable(change)
    with pytest.raises(faults.Fault):
        TOKENS.any_task(change(TOKENS.task(TaskToken("decision", 1, 2, 3))))


@pytest.mark.parametrize("secret", [b"secret", b"s" * 200])
def test_every_token_is_sealed_with_the_secret_and_nothing_else(secret: bytes) -> None:
    tokens = Tokens(secret)
    for number in range(3):
        sealed = base64.urlsafe_b64decode(tokens.task(TaskToken("activity", number, 5, 6))[1:] + "==")
        assert sealed[:16] == hmac.digest(secret, b"task\0" + sealed[16:], "sha256")[:16]
