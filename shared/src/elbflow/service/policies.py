"""IAM policy documents: what a user or role may do (spec/elb-control-plane 1.3).

The part of AWS's policy language that load balancers and server certificates need. What it does not understand never
grants anything: a statement that allows does not apply then, and one that denies does.
"""

from __future__ import annotations

import enum
import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from elbflow import errors
from elbflow.service import policy_conditions as conditions

Json: TypeAlias = str | int | float | bool | list["Json"] | dict[str, "Json"] | None

LONGEST = 20_480
"""Characters of one document."""
LONGEST_OF_SESSION = 2_048
"""Characters of a document that callers narrow their own sessions with: they choose what it costs to apply it."""

VERSIONS = ("2008-10-17", "2012-10-17")

_ELEMENTS = {"Version", "Id", "Statement"}
_STATEMENT_ELEMENTS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+")
_ARN_PARTS = 6
# IAM tells names apart by case, this service those of load balancers not.
_CASELESS_RESOURCES = "elasticloadbalancing"


class MalformedPolicy(errors.Permanent):
    """The document is no policy of a user or role."""


class Effect(enum.StrEnum):
    ALLOW = "Allow"
    DENY = "Deny"
    LIMIT = "Limit"
    """A quota: its conditions bound a number (spec/elb-control-plane 1.3)."""


class Decision(enum.Enum):
    ALLOWED = enum.auto()
    NOT_ALLOWED = enum.auto()
    """No statement allows it."""
    DENIED = enum.auto()
    """A statement denies it, whatever others allow."""


@dataclass(frozen=True, slots=True)
class Request:
    """What shall be done. ``context`` holds the values of condition keys, by lower-case name."""

    action: str
    resource: str
    context: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; ``actions`` and ``resources`` are patterns, and with ``not_...`` those that are meant not."""

    effect: Effect
    actions: tuple[str, ...]
    not_actions: bool
    resources: tuple[str, ...]
    not_resources: bool
    conditions: tuple[conditions.Condition, ...]

    def concerns(self, action: str) -> bool:
        """Whether the statement is about the action, on some resource."""
        return any(_matches(pattern, action, caseless=True) for pattern in self.actions) is not self.not_actions

    def applies(self, request: Request) -> bool:
        """Whether the statement has its effect on the request."""
        if not self.concerns(request.action):
            return False
        named = any(_is_resource(pattern, request) for pattern in self.resources)
        if named is self.not_resources:
            return False
        results = [condition.holds(request.context) for condition in self.conditions]
        if False in results:
            return False
        return None not in results or self.effect is Effect.DENY


Policy: TypeAlias = tuple[Statement, ...]


def decide(policies: Iterable[Policy], request: Request) -> Decision:
    """What policies say together: a denial wins, and what nobody allows is not allowed."""
    decision = Decision.NOT_ALLOWED
    for policy in policies:
        for statement in policy:
            if statement.effect is Effect.DENY and statement.applies(request):
                return Decision.DENIED
            if statement.effect is Effect.ALLOW and statement.applies(request):
                decision = Decision.ALLOWED
    return decision


def may_ever(policies: Iterable[Policy], action: str) -> bool:
    """Whether there is a statement that allows the action on any resource at all."""
    return any(
        statement.effect is Effect.ALLOW and statement.concerns(action) for policy in policies for statement in policy
    )


def reads(policies: Iterable[Policy], prefix: str) -> bool:
    """Whether a condition looks at a key that begins so (lower case): only then its values must be found out."""
    return any(
        condition.key.startswith(prefix)
        for policy in policies
        for statement in policy
        for condition in statement.conditions
    )


def limit(policies: Iterable[Policy], action: str, key: str) -> int | None:
    """The lowest number that Limit statements on the action bind ``key`` (lower case) to; None when there is none."""
    bounds = [
        bound
        for policy in policies
        for statement in policy
        if statement.effect is Effect.LIMIT and statement.concerns(action)
        for condition in statement.conditions
        if condition.key == key
        for bound in condition.upper_bounds()
    ]
    return min(bounds, default=None)


@functools.lru_cache(maxsize=1024)
def parse(document: str) -> Policy:
    """Read a document. Raises :class:`MalformedPolicy` with what is wrong in it."""
    if len(document) > LONGEST:
        raise MalformedPolicy(f"The document has more than {LONGEST} characters")
    try:
        content: Json = json.loads(document, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise MalformedPolicy(f"The document is not JSON: {error}") from None
    elements = _object(content, "The document", _ELEMENTS)
    if elements.get("Version", VERSIONS[0]) not in VERSIONS:
        raise MalformedPolicy(f"Version must be one of {', '.join(VERSIONS)}")
    statements = elements.get("Statement")
    listed = statements if isinstance(statements, list) else [statements]
    if not listed:
        raise MalformedPolicy("Statement is empty")
    return tuple(_statement(one) for one in listed)


def _distinct(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """An object. Of an element given twice one would be lost, perhaps the condition that everything depends on."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise MalformedPolicy(f"An object has an element twice: {', '.join(name for name, _ in pairs)}")
    return found


def _statement(content: Json) -> Statement:
    elements = _object(content, "Statement", _STATEMENT_ELEMENTS)
    effect = elements.get("Effect")
    if effect not in tuple(Effect):
        raise MalformedPolicy(f"Effect must be one of {', '.join(Effect)}")
    actions, not_actions = _one_of(elements, "Action", "NotAction", _check_action)
    resources, not_resources = _one_of(elements, "Resource", "NotResource", _check_resource)
    try:
        parsed = conditions.parse(elements.get("Condition"))
    except ValueError as error:
        raise MalformedPolicy(str(error)) from None
    return Statement(Effect(str(effect)), actions, not_actions, resources, not_resources, parsed)


def _object(content: Json, what: str, known: set[str]) -> dict[str, Json]:
    if not isinstance(content, dict):
        raise MalformedPolicy(f"{what} must be a JSON object")
    if unknown := content.keys() - known:
        raise MalformedPolicy(f"{what} must not have {', '.join(sorted(unknown))}")
    return content


def _one_of(
    elements: Mapping[str, Json], name: str, negated: str, check: Callable[[str], None]
) -> tuple[tuple[str, ...], bool]:
    """The patterns of the one element of the two that is there, and whether it is the negated one."""
    if (name in elements) == (negated in elements):
        raise MalformedPolicy(f"A statement must have either {name} or {negated}")
    chosen = name if name in elements else negated
    value = elements[chosen]
    patterns = value if isinstance(value, list) else [value]
    texts = tuple(pattern for pattern in patterns if isinstance(pattern, str))
    if not texts or len(texts) != len(patterns):
        raise MalformedPolicy(f"{chosen} must be a text or a list of texts")
    for text in texts:
        check(text)
    return texts, chosen == negated


def _check_action(pattern: str) -> None:
    if not _ACTION.fullmatch(pattern):
        raise MalformedPolicy(f"Actions must be * or service:Action, unlike {pattern!r}")


def _check_resource(pattern: str) -> None:
    if pattern != "*" and (not pattern.startswith("arn:") or pattern.count(":") < _ARN_PARTS - 1):
        raise MalformedPolicy(f"Resources must be * or ARNs, unlike {pattern!r}")
    if conditions.has_variables(pattern):
        raise MalformedPolicy(f"Variables in resources are not supported: {pattern!r}")


def _is_resource(pattern: str, request: Request) -> bool:
    """Part by part: a wildcard does not reach over a colon, but in the last part."""
    if pattern == "*":
        return True
    theirs = pattern.split(":", _ARN_PARTS - 1)
    ours = request.resource.split(":", _ARN_PARTS - 1)
    if len(theirs) != len(ours):
        return False
    caseless = ours[2] == _CASELESS_RESOURCES
    return all(_matches(part, own, caseless=caseless) for part, own in zip(theirs, ours, strict=True))


def _matches(pattern: str, text: str, *, caseless: bool) -> bool:
    return conditions.wildcard(pattern, caseless=caseless).fullmatch(text) is not None
