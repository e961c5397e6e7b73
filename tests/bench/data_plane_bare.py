"""``elbflow-agent`` without what other services bring into this environment and the VM's image does not have.

python -m tests.bench.data_plane_bare run ...
"""

from __future__ import annotations

import sys

ABSENT = ("colorama", "rich", "greenlet", "twisted")


def main() -> int:
    for module in ABSENT:
        sys.modules[module] = None  # type: ignore[assignment]  # as the interpreter marks what cannot be imported
    from elbflow_agent.__main__ import main as program

    return program(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
