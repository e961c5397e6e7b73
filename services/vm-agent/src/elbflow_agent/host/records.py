"""VMs on disk: one private directory per VM, so that a restarted host finds all of them (REQ-2.2)."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pydantic
import structlog

from elbflow.contract import document
from elbflow_agent import files
from elbflow_agent.haproxy import safe

_log = structlog.get_logger(__name__)
_FILE = "vm.json"


@dataclass(frozen=True, slots=True)
class VmRecord:
    """What a VM is, apart from what it does.

    ``ends_at`` is set when it was deleted: the instant in epoch seconds until which its connections may finish.
    ``again`` tells VMs apart that were launched under the same instance id while an earlier one was finishing.
    """

    instance_id: str
    address: str
    zone: str
    account: str
    load_balancer: str
    ends_at: float | None = None
    again: int = 0

    def __post_init__(self) -> None:
        safe.server_name(self.instance_id)
        safe.address(self.address)

    @property
    def key(self) -> document.LoadBalancerKey:
        return document.LoadBalancerKey(self.account, self.load_balancer)

    @property
    def name(self) -> str:
        """Name of the VM's directories; no instance id begins with ``_``."""
        return f"_{self.again}_{self.instance_id}" if self.again else self.instance_id


_RECORD = pydantic.TypeAdapter(VmRecord)


def directory(run_dir: Path, record: VmRecord) -> Path:
    """Directory of a VM."""
    return run_dir / record.name


def load_all(run_dir: Path) -> list[VmRecord]:
    """Every VM of a host. Blocking; a damaged record is reported and left alone."""
    records = []
    for path in sorted(run_dir.glob(f"*/{_FILE}")):
        try:
            record = _RECORD.validate_json(path.read_bytes())
        except (OSError, pydantic.ValidationError, safe.Unrepresentable) as error:
            _log.error("vm_record_unreadable", path=str(path), reason=str(error))
            continue
        records.append(record)
    return records


def save(run_dir: Path, record: VmRecord) -> None:
    """Write the record of a VM. Blocking."""
    path = directory(run_dir, record)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.replace_now(path / _FILE, _RECORD.dump_json(record))


def forget(run_dir: Path, record: VmRecord) -> None:
    """Remove a VM with everything it kept. The record goes first, so a crash half-way leaves no VM. Blocking."""
    path = directory(run_dir, record)
    (path / _FILE).unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)
