"""One try of one SWF call: what stands between the typed calls and the wire."""

from __future__ import annotations

import enum
from typing import Any, Protocol

from elbflow.swf.parse import Wire


class Pool(enum.Enum):
    """Which connections a call uses: parked polls never delay a short call (I6)."""

    POLLS = enum.auto()
    CALLS = enum.auto()


class Tries(Protocol):
    """Sends calls, each once: one endpoint, several of them, or an engine in this process."""

    async def once(self, pool: Pool, operation: str, members: dict[str, Any], /) -> Wire:
        """Members of the answer; every failed call raises one of :mod:`elbflow.swf.errors`."""
