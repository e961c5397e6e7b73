"""Puts the pieces into one file; a piece that cannot be had is noted, and the others are had all the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from elbflow import errors
from elbflow_standalone.support import archive, masks, pieces, versions

_README = """\
What elbflow's support bundle holds: versions, settings, what programs say and measure, load balancers as users see
them, the documents that their VMs were told, HAProxy's configuration and answers, and the ends of logs.
What it never holds: keys and certificates' files, credentials, tokens, cookies and what they are signed with, access
logs, the store and the engine's journal. What stood in their place reads [redacted]. It does hold names, addresses
and ARNs of load balancers and instances: look through it before you give it to anybody.
"""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of it: how many pieces are in, and why others are not."""

    pieces: int
    lacking: tuple[str, ...]


def write(path: Path, mask: masks.Masks, contents: Iterable[pieces.Piece], tell: Callable[[str], None]) -> Written:
    """Write the bundle to ``path``, which must not be there yet; ``tell`` hears of each part as it is begun.

    Raises :class:`archive.CannotWrite`; then nothing is left.
    """
    lacking: list[str] = []
    first = pieces.Piece("versions.json", lambda: mask.values(versions.found()))
    with archive.writing(path) as into:
        into.add("README.txt", _README)
        for part, group in itertools.groupby(itertools.chain([first], contents), _part):
            tell(part)
            for piece in group:
                try:
                    text = piece.text()
                except Exception as error:  # whatever is wrong with one, the others are wanted the more
                    kind = "" if isinstance(error, OSError | errors.ElbflowError) else f"{type(error).__name__}: "
                    lacking.append(mask.text(f"{piece.name}: {kind}{error}"))
                else:
                    into.add(piece.name, text)
        into.add("lacking.txt", "".join(f"{line}\n" for line in lacking))
    return Written(len(into.names), tuple(lacking))


def _part(piece: pieces.Piece) -> str:
    """What people see of the progress: a VM, or the kind of a piece."""
    words = Path(piece.name).parts
    return "/".join(words[:2]) if words[0] == "vms" else words[0]
