"""Where services meet, as every service's settings say it."""

from __future__ import annotations

import pydantic
import pytest

from elbflow import polling, service
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
    assert (client.endpoint_url, client.region) == ("http://127.0.0.1:1", "eu-central-1")
    assert (client.poll_connections, client.data_connections) == (7, common.DATA_CONNECTIONS)
    assert settings.swf_connections == 7 + common.DATA_CONNECTIONS
    assert (settings.swf_domain, settings.swf_task_list) == ("d", "t")
    assert settings.zones == ("east", "west")


def test_services_meet_without_any_setting() -> None:
    settings = Worker()
    assert (settings.swf_domain, settings.swf_task_list) == (names.DOMAIN, names.TASK_LIST)
    assert settings.client_settings().endpoint_url is None


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
