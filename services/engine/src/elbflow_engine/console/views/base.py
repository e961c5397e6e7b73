"""What all pages have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class View:
    """One page. ``template`` is its name without the suffix.

    ``parts`` are the templates of ``templates/parts`` in it that may change while somebody looks; ``live`` is the
    address of their updates, None when there are none.
    """

    template: str
    context: Mapping[str, Any]
    parts: tuple[str, ...] = ()
    live: str | None = None
