"""Server certificates that change under a running load balancer, and a servo that takes them from a directory.

``python -m tests.soak.certificates DIRECTORY run --role servo …`` is ``elbflow-agent`` whose certificates are files:
the exchange with IAM is left out, everything behind it is the agent's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LOOK_S = 0.05
KEYS = "ELBFLOW_SOAK_KEYS"


@dataclass
class Shop:
    """Writes certificates where the servo looks; ``leaves`` are the current ones in DER, by ARN."""

    directory: Path
    leaves: dict[str, bytes] = field(default_factory=dict)

    def renew(self, arn: str) -> None:
        """A new key and certificate under the same ARN. Blocking."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "soak.example")])
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        pem = made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = file_of(self.directory, arn)
        path.with_suffix(".new").write_bytes(pem)
        path.with_suffix(".new").replace(path)
        self.leaves[arn] = made.public_bytes(serialization.Encoding.DER)


def file_of(directory: Path, arn: str) -> Path:
    return directory / f"{hashlib.sha256(arn.encode()).hexdigest()[:16]}.pem"


@contextlib.asynccontextmanager
async def from_files(directory: Path, keys: Path) -> AsyncIterator[object]:
    """What :func:`elbflow_agent.certificates.opening.of_vm` gives, with files instead of IAM."""
    from elbflow_agent.certificates import model, opening

    class Files:
        def __init__(self) -> None:
            self._changed: Callable[[], None] = lambda: None
            self._found: dict[str, model.Found] = {}
            self._wanted: frozenset[str] = frozenset()

        def subscribe(self, changed: Callable[[], None]) -> None:
            self._changed = changed

        async def want(self, arns: frozenset[str]) -> None:
            self._wanted = arns
            await self._look()

        def bundle(self, arn: str) -> model.Found:
            return self._found.get(arn, model.Missing(f"certificate {arn} is not there"))

        async def watch(self) -> None:
            while True:
                await asyncio.sleep(LOOK_S)
                await self._look()

        async def _look(self) -> None:
            for arn in self._wanted:
                pem = await asyncio.to_thread(file_of(directory, arn).read_bytes)
                bundle = model.Bundle.of(arn, pem)
                if self._found.get(arn) != bundle:
                    self._found[arn] = bundle
                    self._changed()

    files = Files()
    watching = asyncio.create_task(files.watch())
    try:
        yield opening.VmCertificates(files, keys)  # type: ignore[arg-type]
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def main() -> int:
    """Run the agent's command line with certificates of the directory that is the first argument."""
    from elbflow_agent import __main__ as program
    from elbflow_agent.certificates import opening

    directory, *arguments = sys.argv[1:]
    opening.of_vm = lambda *_: from_files(Path(directory), Path(os.environ[KEYS]))  # type: ignore[assignment]
    return program.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
