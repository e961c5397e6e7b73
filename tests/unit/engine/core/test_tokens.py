"""Tokens are forgery-proof text that every client can carry, the AWS CLI's command line included."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elbflow_engine.core import faults
from elbflow_engine.core.tokens import Seals, TaskToken, Tokens

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


@given(st.binary(max_size=200), st.binary(max_size=300))
def test_seals_are_what_the_standard_says(key: bytes, message: bytes) -> None:
    assert Seals(key).of(message) == hmac.digest(key, message, "sha256")
