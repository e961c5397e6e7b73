"""``servo.conf``: what the VM's user data says, one ``key=value`` a line (spec/vm-agent-data-plane 1.3).

The keys are those of the original, which names hosts; the agent's settings want URLs. A key that is the name of one of
the agent's settings is that setting, so user data can say what the original knew nothing of.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from elbflow import errors

_PORT = "webservice_port"
_DEFAULT_PORT = "8773"
_SERVICES: Mapping[str, tuple[str, str]] = {
    "simpleworkflow_service_url": ("swf_endpoint", "/"),
    "euare_service_url": ("agent_iam_endpoint", "/services/Euare/"),
    "objectstorage_service_url": ("s3_endpoint", "/services/objectstorage/"),
}
"""Key → setting, and the path of the service."""
_PLAIN: Mapping[str, str] = {"loadbalancer_owner_account": "agent_account"}
_OF_EUCALYPTUS: Mapping[str, str] = {"swf_endpoint_kind": "eucalyptus", "swf_region": "eucalyptus"}
"""What follows from a host named there: only its own clouds write such files."""


class UnusableServoConf(errors.Permanent):
    """The file cannot be read."""


def read(path: Path) -> dict[str, str]:
    """All pairs of the file, blanks around both stripped. Blocking; raises :class:`UnusableServoConf`.

    Lines without ``=`` are none; a value may contain more of them; of a key that is given twice the last counts.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableServoConf(f"{path}: {error}") from error
    pairs = (line.partition("=") for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {key.strip(): value.strip() for key, separator, value in pairs if separator and key.strip()}


def is_of_original(found: Mapping[str, str]) -> bool:
    """Whether :func:`settings` come from a cloud of the original's."""
    return found.get("swf_endpoint_kind") == _OF_EUCALYPTUS["swf_endpoint_kind"]


def settings(pairs: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """The pairs as the agent's settings, whose names are ``known``; what is neither is left out."""
    port = pairs.get(_PORT) or _DEFAULT_PORT
    found = {setting: pairs[key] for key, setting in _PLAIN.items() if pairs.get(key)}
    for key, (setting, path) in _SERVICES.items():
        if host := pairs.get(key):
            found[setting] = host if "://" in host else f"http://{host}:{port}{path}"
    if "swf_endpoint" in found:
        found |= _OF_EUCALYPTUS
    found |= {key: value for key, value in pairs.items() if key in known}
    return {setting: value for setting, value in found.items() if setting in known}
