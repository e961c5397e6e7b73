"""Tags (spec/elb-control-plane 1.8 checks 2-4). Their characters and lengths are checked by the model."""

from __future__ import annotations

from collections.abc import Iterable, Sized

from elbflow_api import faults, query

_RESERVED = ("aws:", "euca:")


def refuse_flood(given: Sized, most: int) -> None:
    """Raise ``TooManyTags`` for more than there can be, before policies are applied to each of them."""
    if len(given) > 4 * most:
        _refuse_too_many(len(given), most)


def read(given: Iterable[query.Params], most: int) -> tuple[tuple[str, str], ...]:
    """Keys and values in the order given; an absent value is empty."""
    tags = tuple((_key(one), one.optional_text("Value") or "") for one in given)
    keys = [key for key, _ in tags]
    if len(set(keys)) != len(keys):
        raise query.modelled("DuplicateTagKeysException", "Tag keys must be unique")
    _refuse_reserved(keys, "set")
    _refuse_too_many(len(keys), most)
    return tags


def read_keys(given: Iterable[query.Params]) -> tuple[str, ...]:
    """Keys of tags to remove, each once."""
    keys = tuple(dict.fromkeys(_key(one) for one in given))
    _refuse_reserved(keys, "removed")
    return keys


def require_room(present: Iterable[tuple[str, str]], added: Iterable[tuple[str, str]], most: int) -> None:
    """Raise ``TooManyTags`` when there were too many after ``added``; tags of the service's own do not count."""
    keys = {key for key, _ in (*present, *added) if not _is_reserved(key)}
    _refuse_too_many(len(keys), most)


def _key(one: query.Params) -> str:
    key = one.optional_text("Key")
    if key is None:
        raise query.validation_error("Every tag must have a Key")
    return key


def _is_reserved(key: str) -> bool:
    return key.lower().startswith(_RESERVED)


def _refuse_reserved(keys: Iterable[str], what: str) -> None:
    if reserved := [key for key in keys if _is_reserved(key)]:
        raise faults.invalid_configuration(f"Tag keys with a reserved prefix cannot be {what}: {', '.join(reserved)}")


def _refuse_too_many(count: int, most: int) -> None:
    if count > most:
        raise query.modelled("TooManyTagsException", f"A Load Balancer cannot have more than {most} tags")
