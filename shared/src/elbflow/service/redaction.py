"""Keeping secrets out of logs: by the name of a field, and by the look of a value."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any

REDACTED = "[redacted]"
MAX_DEPTH = 8
_JSON_INT = 2**63

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = frozenset(
    {
        "authorization",
        "cookie",
        "credential",
        "credentials",
        "passphrase",
        "passwd",
        "password",
        "secret",
        "secrets",
        "signature",
        "token",
    }
)
_SECRET_PAIRS = frozenset({("private", "key"), ("signing", "key"), ("symmetric", "key")})

_SECRET_VALUES = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
    r"|(?<=Signature=)[0-9A-Za-z%+/=]+"
    r"|(?<=Security-Token=)[^&\s\"']+",
    re.DOTALL,
)


@functools.lru_cache(maxsize=512)  # of names there are few, and each line has half a dozen
def is_secret_name(name: str) -> bool:
    """Whether a field of this name must not be shown: ``task_token`` yes, ``quota_tokens`` no."""
    words = [word.lower() for word in _WORD.findall(name)]
    return any(word in _SECRET_WORDS for word in words) or any(
        pair in _SECRET_PAIRS for pair in itertools.pairwise(words)
    )


def scrub(text: str) -> str:
    """``text`` without private keys, request signatures, session tokens, and passwords in addresses.

    The answer can always be encoded as UTF-8: received bytes that were not text are shown as escapes.
    """
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    return _SECRET_VALUES.sub(REDACTED, text)


def redact(value: object, depth: int = 0) -> object:
    """A JSON-ready copy of ``value`` without secrets; objects of other kinds become their scrubbed ``repr``."""
    if value is None or isinstance(value, float) or (isinstance(value, int) and -_JSON_INT <= value < _JSON_INT):
        return value
    if isinstance(value, str):
        return scrub(value)
    if depth >= MAX_DEPTH:
        return "..."
    if isinstance(value, Mapping):
        return redact_fields(value, depth + 1)
    if isinstance(value, list | tuple | set | frozenset):
        return _redact_items(value, depth + 1)
    return scrub(repr(value))


def redact_fields(fields: Mapping[Any, object], depth: int = 0) -> dict[str, object]:
    """Like :func:`redact` for a mapping: values behind secret names are replaced whole."""
    return {
        str(name): REDACTED if value is not None and is_secret_name(str(name)) else redact(value, depth)
        for name, value in fields.items()
    }


def _redact_items(items: Iterable[object], depth: int) -> list[object]:
    return [redact(item, depth) for item in items]
