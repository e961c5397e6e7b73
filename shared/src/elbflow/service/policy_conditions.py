"""Conditions of IAM policy statements: operators on the values of condition keys."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_KEYS = re.compile(
    r"aws:(requesttag|resourcetag)/.+|elasticloadbalancing:resourcetag/.+"
    r"|aws:(tagkeys|username|principalarn|principalaccount)|elasticloadbalancing:(quota-loadbalancernumber|createaction)"
)
"""The keys whose values are known here, or known to be absent."""

_WORD = re.compile(r"\$\{([*?$])\}|[*?$]|[^*?$]+")
"""Of a pattern: one character that is meant as it is, a wildcard or a sign by itself, or text without these."""
_BOUND = "numericlessthanequals"
_SET_PREFIXES = ("foranyvalue:", "forallvalues:")
_IF_EXISTS = "ifexists"


def _equal(wanted: str, given: str) -> bool:
    return wanted == given


def _equal_but_for_case(wanted: str, given: str) -> bool:
    return wanted.casefold() == given.casefold()


def _like(wanted: str, given: str) -> bool:
    return wildcard(wanted, caseless=False).fullmatch(given) is not None


_OPERATORS: Mapping[str, tuple[Callable[[str, str], bool], bool]] = {
    "stringequals": (_equal, False),
    "stringnotequals": (_equal, True),
    "stringequalsignorecase": (_equal_but_for_case, False),
    "stringnotequalsignorecase": (_equal_but_for_case, True),
    "stringlike": (_like, False),
    "stringnotlike": (_like, True),
    "arnequals": (_like, False),
    "arnlike": (_like, False),
    "arnnotequals": (_like, True),
    "arnnotlike": (_like, True),
}
"""How a value is compared with a wanted one, and whether the condition holds when none is like that."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One key's condition. Names are in lower case; ``values`` are the wanted ones."""

    operator: str
    key: str
    values: tuple[str, ...]

    def holds(self, context: Mapping[str, Sequence[str]]) -> bool | None:
        """Whether it does; None when operator, key or a wanted value is not understood."""
        if _KEYS.fullmatch(self.key) is None or any("${" in value for value in self.values):
            return None
        given = context.get(self.key)
        if self.operator == "null":
            return self._null(given)
        quantifier = next((prefix for prefix in _SET_PREFIXES if self.operator.startswith(prefix)), "")
        compared = self.operator.removeprefix(quantifier)
        operator = compared.removesuffix(_IF_EXISTS)
        if operator not in _OPERATORS:
            return None
        if operator != compared and given is None:
            return True
        return self._compare(operator, quantifier, tuple(given or ()))

    def upper_bounds(self) -> tuple[int, ...]:
        """The numbers of a condition that bounds its key from above; none of any other."""
        if self.operator != _BOUND:
            return ()
        return tuple(int(value) for value in self.values if value.isascii() and value.isdigit())

    def _null(self, given: Sequence[str] | None) -> bool | None:
        wanted = {value.lower() for value in self.values}
        if not wanted <= {"true", "false"}:
            return None
        return ("true" if not given else "false") in wanted

    def _compare(self, operator: str, quantifier: str, given: tuple[str, ...]) -> bool | None:
        alike, negated = _OPERATORS[operator]
        matched = [any(alike(wanted, value) for wanted in self.values) is not negated for value in given]
        if quantifier == "forallvalues:":
            return all(matched)
        if quantifier == "foranyvalue:":
            return any(matched)
        if not given:
            return negated
        # A key that should have one value and has several is not understood.
        return matched[0] if len(matched) == 1 else None


def parse(content: object) -> tuple[Condition, ...]:
    """Read a Condition element. ``ValueError`` says what is wrong."""
    if content is None:
        return ()
    if not isinstance(content, dict):
        raise ValueError("Condition must be a JSON object")
    found: list[Condition] = []
    for operator, keys in content.items():
        if not isinstance(keys, dict) or not keys:
            raise ValueError(f"Condition {operator} must be a JSON object of keys and values")
        for key, value in keys.items():
            found.append(Condition(operator.lower(), key_name(key), _texts(f"{operator} {key}", value)))
    return tuple(found)


def key_name(key: str) -> str:
    """Condition keys are compared without regard to case, those of tags included."""
    return key.lower()


def _texts(what: str, value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ValueError(f"Condition {what} has no values")
    return tuple(_text(what, one) for one in values)


def _text(what: str, value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case _:
            raise ValueError(f"Condition {what} must have texts, numbers or booleans")


def has_variables(pattern: str) -> bool:
    """Whether something in it stands for what only the request shows."""
    return any(word[0] == "$" and pattern.startswith("{", word.end()) for word in _WORD.finditer(pattern))


def literal(text: str) -> str:
    """The pattern that ``text`` alone matches."""
    return re.sub(r"[*?$]", r"${\g<0>}", text)


@functools.lru_cache(maxsize=4096)
def wildcard(pattern: str, *, caseless: bool) -> re.Pattern[str]:
    """``*`` stands for any text, ``?`` for any character; ``${*}``, ``${?}`` and ``${$}`` for these characters alone.

    What stands between two stars is looked for once, from the left: users choose patterns, and one of many stars that
    is tried in every way takes for ever.
    """
    parts = [""]
    for word in _WORD.finditer(pattern):
        if word[0] == "*":
            parts.append("")
        else:
            parts[-1] += "." if word[0] == "?" else re.escape(word[1] or word[0])
    if len(parts) > 1:
        parts[1:-1] = [f"(?>.*?{part})" for part in parts[1:-1] if part]
        parts[-1] = f".*{parts[-1]}"
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if caseless else 0))
