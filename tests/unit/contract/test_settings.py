"""Where services meet, as every service's settings say it."""

from __future__ import annotations

import pydantic
import pytest

from elbflow import polling, service, swf
from elbflow.contract import names
from elbflow.contract import settings as common


class Worker(common.WorkerSettings, common.ZoneSettings, service.ServiceSettings):
    """Settings of some service."""


def test_variables_name_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SWF_ENDPOINT": "http://127.0.0.1:1",
        "SWF_REGION": "eu-central-1",
        "SWF_DOMAIN": "d",
        "SWF_TASK_LIST": "t",
        "POLL_BUDGET": "7",
        "ZONES": " east, west,",
    }.items():
        monkeypatch.setenv(f"ELBFLOW_{name}", value)
    settings = Worker()
    client = settings.client_settings()
    assert (client.endpoint_urls, client.region) == (("http://127.0.0.1:1",), "eu-central-1")
    assert (client.poll_connections, client.data_connections) == (7, common.DATA_CONNECTIONS)
    assert settings.swf_connections == 7 + common.DATA_CONNECTIONS
    assert (settings.swf_domain, settings.swf_task_list) == ("d", "t")
    assert settings.zones == ("east", "west")


def test_services_meet_without_any_setting() -> None:
    settings = Worker()
    assert (settings.swf_domain, settings.swf_task_list) == (names.DOMAIN, names.TASK_LIST)
    assert settings.client_settings().endpoint_urls == ()


def test_several_endpoints_of_one_swf() -> None:
    settings = Worker(swf_endpoint="http://10.0.0.1:8080, http://10.0.0.2:8080")
    assert settings.client_settings().endpoint_urls == ("http://10.0.0.1:8080", "http://10.0.0.2:8080")
    assert settings.swf_connections == 2 * Worker().swf_connections


def test_the_mix_ins_leave_the_rest_to_the_service() -> None:
    settings = Worker(unknown=1)  # type: ignore[call-arg]
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        settings.swf_region = "x"  # type: ignore[misc]


def test_an_endpoint_of_ones_own_is_local_unless_it_is_said_to_be_another() -> None:
    assert Worker().profile() == polling.EndpointProfile.aws()
    assert Worker(swf_endpoint="http://127.0.0.1:1").profile() == polling.EndpointProfile.local()
    both = Worker(swf_endpoint="http://127.0.0.1:1", swf_endpoint_kind="eucalyptus")
    assert both.profile() == polling.EndpointProfile.eucalyptus()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("SWF_ENDPOINT_KIND", "azure"), ("SWF_DOMAIN", ""), ("POLL_BUDGET", "0"), ("ZONES", " , ")],
)
def test_wrong_values_are_refused_by_name(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(f"ELBFLOW_{variable}", value)
    with pytest.raises(pydantic.ValidationError, match=variable.lower()):
        Worker()


def test_quotas_are_kept_to_where_the_account_has_some() -> None:
    assert Worker(swf_endpoint="http://127.0.0.1:1").client_settings().quotas is None
    assert Worker().client_settings().quotas == swf.QuotaSettings()
    both = Worker(swf_endpoint="http://127.0.0.1:1", swf_endpoint_kind="eucalyptus")
    assert both.client_settings().quotas == swf.QuotaSettings.eucalyptus()
    assert Worker(swf_quota_scale=0).client_settings().quotas is None


def test_quotas_can_be_shared_as_the_operator_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "QUOTA_SHARE": "0.4",
        "QUOTA_SHARES": "StartWorkflowExecution=0.1, SignalWorkflowExecution=0.2",
        "QUOTA_PROCESSES": "4",
        "QUOTA_SCALE": "2",
    }.items():
        monkeypatch.setenv(f"ELBFLOW_SWF_{name}", value)
    settings = Worker()
    shares = {"StartWorkflowExecution": 0.1, "SignalWorkflowExecution": 0.2}
    assert settings.client_settings().quotas == swf.QuotaSettings(0.4, shares, processes=4, scale=2.0)
    assert settings.profile().issue_rate == pytest.approx(200 * 2 * 0.4 / 4)


@pytest.mark.parametrize("shares", ["StartWorkflowExecution", "StartWorkflowExecution=2", "NoSuch=0.1"])
def test_impossible_shares_are_refused_when_the_process_starts(shares: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=r"PART|must be above 0|no quota of NoSuch"):
        Worker(swf_quota_shares=shares)


def test_the_poll_budget_can_be_shared_as_the_operator_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Worker().budget_shares() == {}
    monkeypatch.setenv("ELBFLOW_POLL_BUDGET_SHARES", "elb=0.2:0.8, cfn=0.1")
    assert Worker().budget_shares() == {"elb": polling.TenantShare(0.2, 0.8), "cfn": polling.TenantShare(0.1)}


@pytest.mark.parametrize(
    "shares", ["elb", "elb=x", "elb=0.5:0.2", "elb=0.6,cfn=0.6", " =0.1", "elb=0.1,cfn=0.2,elb =0.3"]
)
def test_a_poll_budget_that_cannot_be_shared_so_is_refused(shares: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=r"KEPT|max_share|exceed 1|names no tenant|elb is given twice"):
        Worker(poll_budget_shares=shares)
