"""The recorded exchange, parsed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from tests.unit.agent.certificates.record_vector import FILE

from elbflow_agent.certificates import credential, exchange


@dataclass(frozen=True)
class Recorded:
    """What was recorded, and the VM that it was recorded for."""

    values: dict[str, Any]
    vm: credential.Vm

    @property
    def question(self) -> exchange.Question:
        return exchange.Question(self.values["arn"], self.values["now"])

    @property
    def question_2(self) -> exchange.Question:
        return exchange.Question(self.values["arn"], self.values["now"], self.values["nonce"])

    @property
    def bundle(self) -> bytes:
        return str(self.values["bundle"]).encode()


@pytest.fixture(scope="session")
def recorded() -> Recorded:
    values = json.loads(FILE.read_text())
    return Recorded(values, credential.parsed(credential.read(values["floppy"].encode())))
