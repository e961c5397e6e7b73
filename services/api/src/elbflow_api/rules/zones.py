"""Availability zones of the cloud."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from elbflow_api import query


def read(requested: Iterable[str], existing: Collection[str]) -> tuple[str, ...]:
    """The requested zones, each once; raises ``ValidationError`` for one the cloud does not have."""
    zones = tuple(dict.fromkeys(requested))
    if unknown := [zone for zone in zones if zone not in existing]:
        raise query.validation_error(f"Invalid Availability Zone: {', '.join(unknown)}")
    return zones
