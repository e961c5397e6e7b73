"""Whether the VM's packet filter is what it should be, as the program that keeps it says (deploy/vm/firewall, REQ-1.9).

Without one the VM serves nevertheless, so somebody must hear of it.
"""

from __future__ import annotations

import time
from pathlib import Path

_FRESH_S = 30.0
"""The program writes twice a second while all is well, and every minute otherwise."""


def is_missing(state: Path) -> bool:
    """Whether the program does not keep a filter, or does not run. Blocking, for no time: the file is in memory."""
    try:
        said, written_at = state.read_text(), state.stat().st_mtime
    except OSError:
        return True
    # Empty is a file that is just being written. One from the future is from before the clock went back.
    return said.strip() not in ("on", "") or abs(time.time() - written_at) > _FRESH_S
