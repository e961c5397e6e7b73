"""Tags (spec/elb-control-plane 1.8 checks 2-4). Their characters and lengths are checked by the model."""

from __future__ import annotations

from collections.abc import Iterable

from elbflow_api import faults, query

_RESERVED = ("aws:", "euca:")


def read(given: Iterable[query.Params], most: int) -> tuple[tuple[str, str], ...]:
    """Keys and values in the order given; an absent value is empty."""
    tags = tuple((one.text("Key"), one.optional_text("Value") or "") for one in given)
    keys = [key for key, _ in tags]
    if len(set(keys)) != len(keys):
        raise query.modelled("DuplicateTagKeysException", "Tag keys must be unique")
    if reserved := [key for key in keys if key.lower().startswith(_RESERVED)]:
        raise faults.invalid_configuration(f"Tag keys with a reserved prefix cannot be set: {', '.join(reserved)}")
    if len(keys) > most:
        raise query.modelled("TooManyTagsException", f"A Load Balancer cannot have more than {most} tags")
    return tags
