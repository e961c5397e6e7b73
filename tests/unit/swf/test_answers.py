"""Members that are null are as if they were absent; the nulls of payloads are text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore import model as shapes
from botocore.loaders import Loader

from elbflow.swf.fast import answers

POLL = shapes.ServiceModel(Loader().load_service_model("swf", "service-2"), "swf").operation_model(
    "PollForActivityTask"
)
PAYLOADS = [
    '{"a":null}',
    '{"a": null, "b": [null,null]}',
    '{"a":"{\\"b\\":null}"}',
    "null",
    '"null":null',
    "\\",
    ":null",
]


def read(members: dict[str, Any]) -> answers.Parsed:
    found = answers.parsed(
        answers.Reply("http://x/", 200, {}, json.dumps(members, separators=(",", ":")).encode()), POLL
    )
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payloads_stay_as_they_are(payload: str) -> None:
    assert read({"taskToken": "t", "input": payload}) == {"taskToken": "t", "input": payload}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_null_members_are_left_out_beside_any_payload(payload: str) -> None:
    given = {"input": payload, "taskToken": None, "activityType": {"name": None, "version": "1"}}
    assert read(given) == {"input": payload, "activityType": {"version": "1"}}
