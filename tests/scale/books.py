"""What the control plane's store says of load balancers, read beside it: desired and proven generations.

The query API shows no generations, and asking it every few milliseconds would be a load of its own. A read of one
load balancer costs the services nothing and this process some 50 µs.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

_TALKING = "vms.state IN ('Pending', 'InService')"
_SERVED = f"""
    SELECT lbs.generation, count(vms.instance_id), coalesce(min(vms.applied_generation), 0)
    FROM load_balancers lbs LEFT JOIN vms ON vms.load_balancer_id = lbs.id AND {_TALKING}
    WHERE lbs.name = ?"""  # a constant
_BEHIND = f"""
    SELECT count(*) FROM load_balancers lbs
    WHERE (SELECT count(*) FROM vms WHERE vms.load_balancer_id = lbs.id AND {_TALKING}
           AND vms.applied_generation >= lbs.generation) < ?"""  # a constant
_NOT_IN_SERVICE = "SELECT count(*) FROM backends WHERE state != 'InService'"
_ADDRESSES = f"""
    SELECT vms.address FROM vms JOIN load_balancers lbs ON vms.load_balancer_id = lbs.id
    WHERE lbs.name = ? AND {_TALKING}"""  # a constant


class Books:
    """Reads the store's SQLite file; never writes."""

    def __init__(self, data_dir: Path) -> None:
        self._file = sqlite3.connect(f"file:{data_dir / 'store.sqlite'}?mode=ro", uri=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def desired(self, name: str) -> int:
        """The newest generation of a load balancer."""
        return int(self._row(_SERVED, name)[0] or 0)

    def proven(self, name: str, vms: int) -> int:
        """The generation that all its ``vms`` VMs have proven to serve; 0 while one of them is not there."""
        _, there, applied = self._row(_SERVED, name)
        return int(applied) if there >= vms else 0

    def behind(self, vms: int) -> int:
        """Load balancers that not all of their ``vms`` VMs serve as they should."""
        return int(self._row(_BEHIND, vms)[0])

    def not_in_service(self) -> int:
        """Registered instances that get no traffic."""
        return int(self._row(_NOT_IN_SERVICE)[0])

    def addresses(self, name: str) -> list[str]:
        """Addresses of a load balancer's VMs."""
        return [row[0] for row in self._file.execute(_ADDRESSES, (name,))]

    def _row(self, query: str, *values: object) -> tuple[int, ...]:
        return tuple(self._file.execute(query, values).fetchone())
