"""How documents travel that one payload of SWF cannot carry: compressed and in parts (design section 4).

Small documents travel as they are, so histories and agents see of them what they always saw. A :class:`Parcel`
announces a large one; its parts are numbered, name the text that they are parts of by its hash, and are put together
by the VM's worker in an :class:`Assembly`. Nothing is ever truncated.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from dataclasses import dataclass

import pydantic

from elbflow import errors, flow
from elbflow.contract import document

MOST_PART = 24_000
"""Characters of a part: with its frame within the 24 KB that travel as they are."""

MOST_PARTS = 16
"""Of one document. Each is looked up, sent and kept in a history, so there has to be an end."""

MOST_PLAIN = 8 * 1024 * 1024
"""Bytes of a document: a VM makes no more of what it is sent."""

_MOST_ALONE = 32_000
"""Characters of a document in a payload of its own, which has the brackets of arguments besides."""

_LEVEL = 6
_ADAPTER: pydantic.TypeAdapter[document.LoadBalancerDocument] = pydantic.TypeAdapter(document.LoadBalancerDocument)


class TooLarge(errors.Permanent):
    """A document is too large to reach a VM."""


class Damaged(errors.Retryable):
    """The parts of a document do not give what was announced: they have to be sent again."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Announces a document in ``parts`` parts; ``digest`` is the hash of their text."""

    digest: str
    parts: int


@dataclass(frozen=True, slots=True)
class Part:
    """Part ``index``, from 0 on, of a parcel."""

    parcel: Parcel
    index: int
    text: str


def fits_alone(wanted: document.LoadBalancerDocument) -> bool:
    """Whether one payload can carry the document."""
    try:
        return len(flow.encode(wanted, document.LoadBalancerDocument)) <= _MOST_ALONE
    except flow.PayloadTooLarge:
        return False


def split(wanted: document.LoadBalancerDocument) -> tuple[Part, ...]:
    """The document's parts, in order. Raises :class:`TooLarge`. Takes CPU time: for a thread when it may be large."""
    plain = _ADAPTER.dump_json(wanted)
    text = base64.b85encode(zlib.compress(plain, _LEVEL)).decode()
    texts = [text[first : first + MOST_PART] for first in range(0, len(text), MOST_PART)]
    if len(plain) > MOST_PLAIN or len(texts) > MOST_PARTS:
        raise TooLarge(
            f"Load balancer {wanted.key.name} has a configuration of {len(plain)} bytes ({len(text)} compressed); "
            f"VMs can be told {MOST_PLAIN} ({MOST_PART * MOST_PARTS})"
        )
    parcel = Parcel(_digest(text), len(texts))
    return tuple(Part(parcel, index, one) for index, one in enumerate(texts))


def require_transportable(wanted: document.LoadBalancerDocument) -> None:
    """Raise :class:`TooLarge` for a document that cannot reach a VM."""
    if not fits_alone(wanted):
        split(wanted)


class Assembly:
    """Puts one document together; parts of another one replace those that are there."""

    def __init__(self) -> None:
        self._parcel: Parcel | None = None
        self._texts: dict[int, str] = {}

    def add(self, part: Part) -> document.LoadBalancerDocument | None:
        """The document if this was its last part, else None.

        Raises :class:`Damaged` when the last part comes and others are missing, or they are not what was announced.
        """
        if part.parcel != self._parcel:
            self._parcel, self._texts = part.parcel, {}
        self._texts[part.index] = part.text
        if part.index < part.parcel.parts - 1:
            return None
        texts, self._texts, self._parcel = self._texts, {}, None
        if sorted(texts) != list(range(part.parcel.parts)):
            raise Damaged(f"only {len(texts)} parts of {part.parcel.parts} arrived")
        return _joined("".join(texts[index] for index in range(part.parcel.parts)), part.parcel)


def _joined(text: str, parcel: Parcel) -> document.LoadBalancerDocument:
    if _digest(text) != parcel.digest:
        raise Damaged
    try:
        inflater = zlib.decompressobj()
        plain = inflater.decompress(base64.b85decode(text), MOST_PLAIN)
        if not inflater.eof:
            raise Damaged
        return _ADAPTER.validate_json(plain)
    except (ValueError, zlib.error) as error:  # of which pydantic's are
        raise Damaged(f"a document in parts cannot be read: {error}") from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
