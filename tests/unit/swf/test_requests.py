"""Bodies of requests are JSON of the members, whatever is in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore import model as shapes
from botocore.loaders import Loader

from elbflow.swf.fast.requests import Endpoint, Requests

REQUESTS = Requests(
    shapes.ServiceModel(Loader().load_service_model("swf", "service-2"), "swf"),
    Endpoint("http://127.0.0.1/", "me"),
    validates=True,
)


@pytest.mark.parametrize("text", ["", "plain", "ä☃\U0001f600", '"\\\n\0', "half \ud800 a surrogate"])
def test_any_text_arrives(text: str) -> None:
    members: dict[str, Any] = {"taskToken": "t", "result": text}
    body = REQUESTS.body(REQUESTS.operation("RespondActivityTaskCompleted"), members)
    assert json.loads(body) == members


def test_a_number_of_any_size_is_left_to_the_service() -> None:
    members = {"domain": "d", "taskList": {"name": "l"}, "maximumPageSize": 2**70}
    assert json.loads(REQUESTS.body(REQUESTS.operation("PollForDecisionTask"), members)) == members
