"""Whose certificates SWF, IAM, STS and S3 may show (spec/vm-agent-data-plane REQ-1.8).

``AWS_CA_BUNDLE`` is what AWS's own tools read, the clients of SWF and S3 among them. The agent's setting becomes that
variable, and what the agent calls without the SDK goes by it too, so one word holds for all of them.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

VARIABLE = "AWS_CA_BUNDLE"


def pin(bundle: Path | None) -> None:
    """Have this process take certificates of these authorities alone. Before it opens any client."""
    if bundle is not None:
        os.environ[VARIABLE] = str(bundle)


def context(*urls: str) -> ssl.SSLContext | bool:
    """For aiohttp's connections to ``urls``: by the variable, or the system's authorities.

    Blocking; raises ``OSError``. Without TLS no file is read: all that a system trusts are megabytes.
    """
    bundle = os.environ.get(VARIABLE)
    return of_file(Path(bundle)) if bundle and any(url.startswith("https:") for url in urls) else True


def of_file(bundle: Path) -> ssl.SSLContext:
    """A client's settings with the authorities of this file alone. Blocking; raises ``OSError``."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(bundle)
    return made
