"""Tags as conditions of policies see them: as values of condition keys by lower-case name.

Conditions do not tell the keys of tags apart by case, so that one may have several values.
"""

from __future__ import annotations

from collections.abc import Iterable

from elbflow_api import grants, query

RESOURCE_PREFIX = "aws:resourcetag/"

_REQUEST_PREFIX = "aws:requesttag/"
_KEYS = "aws:tagkeys"


def of_request(params: query.Params) -> grants.Context:
    """The tags that the request gives or takes away."""
    given = [tag for tag in params.structures("Tags") if "Key" in tag]
    if not given:
        return {}
    tags = [(tag.text("Key"), tag.optional_text("Value") or "") for tag in given]
    return {_KEYS: tuple(key for key, _ in tags), **_values(tags, (_REQUEST_PREFIX,))}


def of_resource(tags: Iterable[tuple[str, str]], prefixes: Iterable[str] = (RESOURCE_PREFIX,)) -> grants.Context:
    """The tags that something has."""
    return _values(tags, prefixes)


def _values(tags: Iterable[tuple[str, str]], prefixes: Iterable[str]) -> dict[str, tuple[str, ...]]:
    context: dict[str, tuple[str, ...]] = {}
    for key, value in tags:
        for prefix in prefixes:
            name = f"{prefix}{key.lower()}"
            context[name] = (*context.get(name, ()), value)
    return context
