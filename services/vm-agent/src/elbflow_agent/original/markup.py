"""XML from outside as a tree of names and texts: no document type, no entities, bounded in size and depth (REQ-2.1).

Names are local ones: the namespace and its prefix do not matter, nor do attributes, comments and instructions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from elbflow import errors

LARGEST = 256 * 1024
"""Bytes. SWF's payloads have 32,768 characters."""
_DEEPEST = 32
_MOST_SHOWN = 200


class Invalid(errors.Permanent):
    """The document is not what the original sends."""


@dataclass(slots=True)
class Node:
    """An element; ``text`` is all text that is directly in it."""

    name: str
    children: list[Node] = field(default_factory=list)
    text: str = ""

    def child(self, name: str) -> Node | None:
        """The first child of that name."""
        return next((each for each in self.children if each.name == name), None)

    def members(self, name: str) -> Iterator[Node]:
        """Members of the list ``name``, of which there need not be one."""
        found = self.child(name)
        return (each for each in (found.children if found is not None else ()) if each.name == "member")

    def said(self, name: str) -> str | None:
        """Text of the child ``name`` without blanks around it; None without such a child or text."""
        found = self.child(name)
        return (found.text.strip() or None) if found is not None else None


def parse(text: str) -> Node:
    """The root element. Raises :class:`Invalid`. Takes CPU time, and loads a library the first time: for a thread.

    ``text`` has been decoded, so it does not matter which encoding it says it is in.
    """
    # Not before the first such document: most agents never meet one.
    from defusedxml import ElementTree

    try:
        if len(text) > LARGEST or len(text.encode()) > LARGEST:
            raise Invalid(f"the document has more than {LARGEST} bytes")
        reader = _Reader()
        parser = ElementTree.DefusedXMLParser(target=reader, forbid_dtd=True)
        parser.feed(text)
        parser.close()
    except (ElementTree.ParseError, ValueError) as error:  # the latter for what is forbidden, and for surrogates
        raise Invalid(f"the document is not XML that is accepted: {str(error)[:_MOST_SHOWN]}") from None
    return reader.root


class _Reader:
    """Builds the tree of one document."""

    def __init__(self) -> None:
        self._open = [Node("")]
        self._texts: list[list[str]] = [[]]

    @property
    def root(self) -> Node:
        return self._open[0].children[0]

    def start(self, tag: str, _attributes: Mapping[str, str]) -> None:
        if len(self._open) > _DEEPEST:
            raise Invalid(f"the document has more than {_DEEPEST} levels")
        node = Node(tag.rpartition("}")[2])
        self._open[-1].children.append(node)
        self._open.append(node)
        self._texts.append([])

    def end(self, _tag: str) -> None:
        self._open.pop().text = "".join(self._texts.pop())

    def data(self, text: str) -> None:
        self._texts[-1].append(text)

    def close(self) -> None:
        """The parser asks for it."""
