from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from elbflow import service


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> service.ServiceSettings:
    for variable in ("ELBFLOW_SERVICE_PORT", "ELBFLOW_LOG_LEVEL", "ELBFLOW_LOG_FORMAT", "ELBFLOW_SECRETS_DIR"):
        monkeypatch.delenv(variable, raising=False)
    return service.ServiceSettings()


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
