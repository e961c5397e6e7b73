"""Patterns of policies against a plain reading of what they mean."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from elbflow.service import policy_conditions


def means(pattern: str, text: str) -> bool:
    """Whether the pattern stands for the text, tried in every way."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(means(pattern[1:], text[skipped:]) for skipped in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and means(pattern[1:], text[1:])


@given(pattern=st.text("ab*?.\\[\n", max_size=8), text=st.text("ab*?.\\[\n", max_size=8))
def test_patterns_mean_what_they_say(pattern: str, text: str) -> None:
    found = policy_conditions.wildcard(pattern, caseless=False).fullmatch(text) is not None
    assert found == means(pattern, text)
