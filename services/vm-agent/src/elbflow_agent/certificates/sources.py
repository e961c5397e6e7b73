"""Where a VM's credential comes from: the medium that its cloud attached (spec/vm-agent-data-plane 7.3, F108, F109)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from elbflow_agent.certificates import credential, meters

_log = structlog.get_logger(__name__)


class CredentialFile:
    """The file ``credential`` of a mounted floppy or config drive; read again only when it cannot be used.

    It holds a key, so it must lie on read-only media or in the private directory: where is the image's business.
    """

    def __init__(self, path: Path, instruments: meters.Meters) -> None:
        self._path = path
        self._meters = instruments
        self._vm: credential.Vm | None = None

    async def get(self) -> credential.Vm:
        """Raises :class:`credential.UnusableCredential`."""
        if self._vm is None:
            try:
                content = await asyncio.to_thread(self._path.read_bytes)
            except OSError as error:
                raise credential.UnusableCredential(f"the VM has no credential: {error}") from error
            self._vm = credential.parsed(credential.read(content))
            self._meters.delegation(self, self._vm.expires_at)
            _log.info("credential_read", principal=self._vm.principal, expires_at=self._vm.expires_at)
        return self._vm

    def refused(self) -> bool:
        """Read the medium again when somebody asks, which will not be soon: nobody changes it but by a new VM."""
        self._vm = None
        return False
