"""IAM's answers as XML: its published form and the one of the original's internal binding (7.6).

Fields are found by their local name, whatever their prefix and namespace and the case of the first letter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.parsers import expat

from elbflow import errors

if TYPE_CHECKING:
    from elbflow_agent.certificates import exchange

LARGEST = 4 * 1024 * 1024


class NotXml(errors.Permanent):
    """The answer is not XML that may be read."""


def fields(body: bytes) -> dict[str, str]:
    """Text of the elements without children by local name, first letter upper case; of equal names the first.

    Raises :class:`NotXml`, also for a document type: nothing that we ask answers with entities.
    """
    if len(body) > LARGEST:
        raise NotXml(f"the answer has more than {LARGEST} bytes")
    reader = _Reader()
    try:
        reader.parser.Parse(body, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the latter for encodings that are none for XML
        raise NotXml(f"the answer is not XML: {error}") from None
    return reader.found


def download(body: bytes) -> exchange.Answer:
    """The answer to a download, in either form. Raises :class:`NotXml`."""
    from elbflow_agent.certificates import exchange  # only here: its library takes 8 MB, and roles read XML without it

    found = fields(body)
    try:
        return exchange.Answer(
            arn=found["CertificateArn"],
            server_certificate=found["ServerCertificate"],
            server_pk=found["ServerPk"],
            signature=found["Signature"],
            version=found.get("ExchangeVersion", ""),
        )
    except KeyError as error:
        raise NotXml(f"the answer has no {error.args[0]}") from None


class _Reader:
    """One document. Its attributes do not matter."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._text: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text.append

    def _refuse(self, *_: object) -> None:
        raise NotXml("the answer has a document type")

    def _start(self, _name: str, _attributes: object) -> None:
        self._text.clear()

    def _end(self, name: str) -> None:
        local = name.rpartition(":")[2]
        self.found.setdefault(local[:1].upper() + local[1:], "".join(self._text))
        self._text.clear()
