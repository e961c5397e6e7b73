"""botocore's descriptions of services, without what a session of one service has no use for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aiobotocore.session import AioSession
from botocore.loaders import JSONFileLoader


def load(session: AioSession, service: str) -> None:
    """Read what clients of ``service`` need, so that making them does not block. Blocks: call it in a thread.

    The session makes clients of this service alone from then on, so call it before anything else is read.
    """
    session.get_component("data_loader").file_loader = _Files(service)
    session.warm_up_loader_caches(service)


class _Files(JSONFileLoader):  # type: ignore[misc]
    """Keeps one service of the table of all services' endpoints, which takes 7 MB, and no model's texts for people.

    The rest must not even be there for a moment: the interpreter would not give its memory back.
    """

    def __init__(self, service: str) -> None:
        self._service = service

    def load_file(self, file_path: str) -> Any:
        file = Path(f"{file_path}.json")
        if not file.is_file():  # AWS's largest models are compressed
            return super().load_file(file_path)
        if file.name != "endpoints.json":
            return json.loads(file.read_bytes(), object_pairs_hook=_silent)
        table = json.loads(file.read_bytes(), object_pairs_hook=_packed)
        for partition in table["partitions"]:
            packed = partition["services"].get(self._service)
            partition["services"] = {} if packed is None else {self._service: json.loads(packed)}
        return table


def _silent(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of a model without its text for people, which are half of it. A member of that name is no text."""
    return {name: value for name, value in pairs if name != "documentation" or not isinstance(value, str)}


def _packed(pairs: list[tuple[str, Any]]) -> dict[str, Any] | str:
    """An object of the table; a service, which its endpoints show, stays text."""
    read = dict(pairs)
    return json.dumps(read) if "endpoints" in read else read
