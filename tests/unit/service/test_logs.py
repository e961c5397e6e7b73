from __future__ import annotations

import json
import logging
import warnings
from dataclasses import dataclass
from typing import Any

import pytest
import structlog

from elbflow import service
from elbflow.service import redaction

pytestmark = pytest.mark.usefixtures("restored_logging")


@dataclass
class Holder:
    note: str


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_line_is_json_with_the_common_fields_first(
    settings: service.ServiceSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    service.configure_logging(settings, "decider")
    structlog.get_logger().info("lane_opened", lane="decision", slots=4)
    (line,) = lines(capsys)
    assert list(line) == ["timestamp", "level", "event", "service", "lane", "slots"]
    assert line["timestamp"].endswith("Z")
    assert (line["level"], line["event"], line["service"], line["slots"]) == ("info", "lane_opened", "decider", 4)


def test_levels_below_the_configured_one_are_dropped(
    settings: service.ServiceSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    service.configure_logging(settings.model_copy(update={"log_level": "WARNING"}), "api")
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in lines(capsys)] == ["loud"]


def test_secrets_are_redacted_at_any_depth(
    settings: service.ServiceSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    service.configure_logging(settings, "api")
    structlog.get_logger().info(
        "request",
        task_token="s3cr3t",
        headers={"Authorization": "s3cr3t", "host": "elb"},
        calls=[{"secretAccessKey": "s3cr3t", "private_key": "s3cr3t", "quota_tokens": 5}],
        holder=Holder("-----BEGIN RSA PRIVATE KEY-----\ns3cr3t"),
        database="postgresql://elb:s3cr3t@db/elb",
        access_key_id="AKIDEXAMPLE",
    )
    (line,) = lines(capsys)
    assert "s3cr3t" not in json.dumps(line)
    assert line["headers"] == {"Authorization": redaction.REDACTED, "host": "elb"}
    assert line["calls"][0]["quota_tokens"] == 5
    assert line["access_key_id"] == "AKIDEXAMPLE"
    assert line["database"] == "postgresql://[redacted]@db/elb"


def test_exceptions_are_one_line_without_secrets(
    settings: service.ServiceSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    service.configure_logging(settings, "api")
    try:
        raise ValueError("AWS4-HMAC-SHA256 Credential=AKID/x, SignedHeaders=host, Signature=0123abcd")
    except ValueError:
        structlog.get_logger().exception("crashed")
    (line,) = lines(capsys)
    assert "ValueError" in line["exception"]
    assert "0123abcd" not in line["exception"]
    assert "Signature=[redacted]" in line["exception"]


def test_libraries_log_warnings_in_the_same_form(
    settings: service.ServiceSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    service.configure_logging(settings.model_copy(update={"log_level": "DEBUG"}), "api")
    logging.getLogger("botocore.auth").debug("Signature: 0123")
    logging.getLogger("aiohttp.server").error("broken %s", "pipe")
    warnings.simplefilter("default")
    warnings.warn("old", DeprecationWarning, stacklevel=1)
    first, second = lines(capsys)
    assert (first["event"], first["logger"], first["service"]) == ("broken pipe", "aiohttp.server", "api")
    assert "DeprecationWarning: old" in second["event"]


def test_console_format_is_for_people(settings: service.ServiceSettings, capsys: pytest.CaptureFixture[str]) -> None:
    service.configure_logging(settings.model_copy(update={"log_format": "console"}), "api")
    structlog.get_logger().info("ready", password="s3cr3t")
    text = capsys.readouterr().err
    assert "ready" in text
    assert "s3cr3t" not in text
    assert not text.startswith("{")


def test_values_json_does_not_know_are_shown_by_repr(
    settings: service.ServiceSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    service.configure_logging(settings, "api")
    structlog.get_logger().info("odd", value=Holder("x"), big=2**70, many={3}, raw=b"\xff", header="caf\udce9")
    (line,) = lines(capsys)
    assert line["value"] == "Holder(note='x')"
    assert (line["big"], line["many"], line["raw"]) == (str(2**70), [3], "b'\\xff'")
    assert line["header"] == "caf\\udce9"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("token", True),
        ("taskToken", True),
        ("X-Amz-Security-Token", True),
        ("AWSSecretKey", True),
        ("PrivateKey", True),
        ("db_password", True),
        ("tokens", False),
        ("access_key_id", False),
        ("task_list", False),
        ("secretary", False),
    ],
)
def test_names_of_secrets(name: str, secret: bool) -> None:
    assert redaction.is_secret_name(name) is secret


def test_deep_values_are_cut_not_followed_forever() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert "..." in str(redaction.redact(loop))
