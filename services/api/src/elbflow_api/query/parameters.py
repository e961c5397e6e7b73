"""Query parameters as a tree: ``Listeners.member.1.Protocol=HTTP`` becomes nested nodes.

Names that the model does not know stay in the tree and are never looked at, so unknown parameters are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from elbflow_api.query.faults import Fault

MOST_FIELDS = 5_000
_DEEPEST = 12
_INDEX = re.compile(r"[1-9][0-9]{0,5}")


@dataclass(slots=True)
class Node:
    """A parameter name's part: its own value, if any, and the parts below it."""

    value: str | None = None
    children: dict[str, Node] = field(default_factory=dict)

    def items(self, item_name: str) -> list[tuple[int, Node]]:
        """The nodes ``<item_name>.N`` below this one in numeric order; N may have gaps, as AWS allows."""
        below = self.children.get(item_name)
        if below is None:
            return []
        numbered = [(int(name), node) for name, node in below.children.items() if _INDEX.fullmatch(name)]
        return sorted(numbered, key=lambda entry: entry[0])

    def misnumbered(self, item_name: str) -> list[str]:
        """What stands where a list's number belongs and is none: such an item must not go unnoticed."""
        below = self.children.get(item_name)
        return [name for name in below.children if not _INDEX.fullmatch(name)] if below is not None else []


def read_pairs(*encoded: bytes) -> list[tuple[str, str]]:
    """Decode query strings and form bodies into pairs, in order. Raises ``MalformedQueryString``.

    Bytes that are no UTF-8 become U+FFFD, and so does NUL, which PostgreSQL does not take: they cannot match anything.
    """
    pairs: list[tuple[str, str]] = []
    for text in encoded:
        try:
            read = parse_qsl(
                text.decode("utf-8", "replace"),
                keep_blank_values=True,
                errors="replace",
                max_num_fields=MOST_FIELDS,
            )
        except ValueError as error:
            raise Fault("MalformedQueryString", f"The query string cannot be read: {error}") from None
        pairs += [(name, value.replace("\0", "\ufffd")) for name, value in read]
    return pairs


def tree(pairs: Iterable[tuple[str, str]]) -> Node:
    """The pairs as a tree; of a repeated name the first value counts."""
    root = Node()
    for name, value in pairs:
        node = root
        for part in name.split(".", _DEEPEST):
            node = node.children.setdefault(part, Node())
        if node.value is None:
            node.value = value
    return root
