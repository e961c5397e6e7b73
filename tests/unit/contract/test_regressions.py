"""Faults that the SWF settings once had, one test each."""

from __future__ import annotations

import pydantic
import pytest

from elbflow import polling, service, swf
from elbflow.contract import settings as common


class Worker(common.WorkerSettings, service.ServiceSettings):
    """Settings of some service."""


def test_an_empty_endpoint_is_that_of_aws_with_its_quotas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELBFLOW_SWF_ENDPOINT", "")
    settings = Worker()
    assert settings.client_settings().endpoint_urls == ()
    assert settings.profile() == polling.EndpointProfile.aws()
    assert settings.quotas() == settings.client_settings().quotas == swf.QuotaSettings()


@pytest.mark.parametrize("value", [",", " , ", " "])
def test_an_endpoint_without_a_name_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ELBFLOW_SWF_ENDPOINT", value)
    with pytest.raises(pydantic.ValidationError, match="names no endpoint"):
        Worker()


@pytest.mark.parametrize("value", ["inf", "nan"])
def test_a_quota_scale_without_end_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ELBFLOW_SWF_QUOTA_SCALE", value)
    with pytest.raises(pydantic.ValidationError, match="swf_quota_scale"):
        Worker()


def test_a_part_for_decision_polls_is_refused_with_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELBFLOW_SWF_QUOTA_SHARES", "PollForDecisionTask=0.01")
    with pytest.raises(pydantic.ValidationError, match=r"PollForActivityTask=0\.01"):
        Worker()
