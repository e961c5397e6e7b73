from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.conformance.engine import served


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with served.engine(hold_s=1.0) as url:
        yield url


@pytest.fixture(scope="module")
def swf(endpoint: str) -> Any:
    """boto3 with default settings, in front of a furnished domain."""
    client = served.client(endpoint)
    served.furnish(client)
    return client


@pytest.fixture
def fresh() -> Iterator[Any]:
    """A client and an engine that nobody else uses."""
    with served.engine(hold_s=1.0) as url:
        client = served.client(url)
        served.furnish(client)
        yield client
