"""The endpoint below boto3: methods, paths, signatures, sizes, and answers that are always AWS's XML."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any
from unittest import mock
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import aiohttp
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from structlog.testing import capture_logs
from tests.integration.api.conftest import KEY, Elb, House, code, open_house
from yarl import URL

from elbflow import store
from elbflow_api import actions, dependencies, query

SPACE = "{http://elasticloadbalancing.amazonaws.com/doc/2012-06-01/}"
DESCRIBE = {"Action": "DescribeLoadBalancers", "Version": "2012-06-01"}


class Wire:
    """An HTTP client that signs as told, and reads answers by hand."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def send(
        self,
        method: str = "POST",
        path: str = "/",
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, ET.Element]:
        async with self._session.request(
            method,
            self.url + path,
            data=io.BytesIO(body) if body else None,
            headers=headers,
            skip_auto_headers=["Content-Type"],
        ) as response:
            text = await response.read()
            assert response.content_type == "text/xml"
            root = ET.fromstring(text)
            assert response.headers.getall("Server") == ["elbflow"]  # no versions of what is below
            assert response.headers["x-amzn-RequestId"] == next(root.iter(f"{SPACE}RequestId")).text
            return response.status, root

    async def signed(
        self,
        params: Mapping[str, str],
        *,
        key: store.AccessKey = KEY,
        path: str = "/",
        scope: str = "elasticloadbalancing",
    ) -> tuple[int, ET.Element]:
        body = urlencode(params).encode()
        request = AWSRequest(
            "POST", self.url + path, data=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        SigV4Auth(Credentials(key.access_key_id, key.secret_access_key), scope, "us-east-1").add_auth(request)
        return await self.send("POST", path, body=body, headers=dict(request.headers.items()))


def error_of(answer: tuple[int, ET.Element]) -> tuple[int, str]:
    status, root = answer
    assert root.tag == f"{SPACE}ErrorResponse"
    return status, str(root.findtext(f"{SPACE}Error/{SPACE}Code"))


@pytest.fixture
async def wire(house: House) -> AsyncIterator[Wire]:
    async with aiohttp.ClientSession() as session:
        yield Wire(session, house.api.url)


async def test_post_on_both_paths(wire: Wire) -> None:
    for path in ("/", "/services/LoadBalancing"):
        status, root = await wire.signed(DESCRIBE, path=path)
        assert (status, root.tag) == (200, f"{SPACE}DescribeLoadBalancersResponse")
    status, root = await wire.signed({"Operation": "DescribeLoadBalancers"})
    assert status == 200


async def test_get_with_a_presigned_query(wire: Wire) -> None:
    request = AWSRequest("GET", f"{wire.url}/services/LoadBalancing?{urlencode(DESCRIBE)}")
    credentials = Credentials(KEY.access_key_id, KEY.secret_access_key)
    SigV4QueryAuth(credentials, "elasticloadbalancing", "us-east-1", expires=60).add_auth(request)
    prepared = request.prepare()
    async with aiohttp.ClientSession() as session, session.get(URL(prepared.url, encoded=True)) as got:
        assert got.status == 200
        assert ET.fromstring(await got.read()).tag == f"{SPACE}DescribeLoadBalancersResponse"


async def test_unsigned_and_wrongly_signed(wire: Wire) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode(DESCRIBE).encode()
    assert error_of(await wire.send(body=body, headers=form)) == (403, "MissingAuthenticationToken")
    wrong_secret = store.AccessKey(KEY.access_key_id, "guess", KEY.account)
    assert error_of(await wire.signed(DESCRIBE, key=wrong_secret)) == (403, "SignatureDoesNotMatch")
    unknown = store.AccessKey("AKIANOBODY", "guess", KEY.account)
    assert error_of(await wire.signed(DESCRIBE, key=unknown)) == (403, "InvalidClientTokenId")
    assert error_of(await wire.signed(DESCRIBE, scope="swf")) == (403, "SignatureDoesNotMatch")
    half = form | {"Authorization": "AWS4-HMAC-SHA256 Credential=x"}
    assert error_of(await wire.send(body=body, headers=half)) == (400, "IncompleteSignature")


async def test_an_old_signature(wire: Wire) -> None:
    body = urlencode(DESCRIBE).encode()
    request = AWSRequest("POST", wire.url + "/", data=body)
    signer = SigV4Auth(Credentials(KEY.access_key_id, KEY.secret_access_key), "elasticloadbalancing", "us-east-1")
    with mock.patch("botocore.auth.get_current_datetime", return_value=datetime(2020, 1, 1)):  # noqa: DTZ001
        signer.add_auth(request)
    answer = await wire.send(body=body, headers=dict(request.headers.items()))
    assert error_of(answer) == (400, "RequestExpired")


async def test_a_body_changed_on_the_way(wire: Wire) -> None:
    body = urlencode(DESCRIBE).encode()
    request = AWSRequest("POST", wire.url + "/", data=body)
    credentials = Credentials(KEY.access_key_id, KEY.secret_access_key)
    SigV4Auth(credentials, "elasticloadbalancing", "us-east-1").add_auth(request)
    changed = body.replace(b"DescribeLoadBalancers", b"DescribeAccountLimits")
    answer = await wire.send(body=changed, headers=dict(request.headers.items()))
    assert error_of(answer) == (403, "SignatureDoesNotMatch")


async def test_a_key_that_was_removed_or_replaced_stops_working(house: House, wire: Wire) -> None:
    async with house.db.transaction() as tx:
        await tx.access_keys.save(store.AccessKey(KEY.access_key_id, "new-secret", KEY.account))
    assert error_of(await wire.signed(DESCRIBE)) == (403, "SignatureDoesNotMatch")


async def test_what_is_no_call(wire: Wire) -> None:
    assert error_of(await wire.signed({"Version": "2012-06-01"})) == (400, "MissingAction")
    assert error_of(await wire.signed({"Action": "MakeCoffee"})) == (400, "InvalidAction")
    _, root = await wire.signed({"Action": "MakeCoffee", "Version": "1999-01-01"})
    message = root.findtext(f"{SPACE}Error/{SPACE}Message")
    assert message == "Could not find operation MakeCoffee for version 1999-01-01"
    assert error_of(await wire.signed(DESCRIBE, path="/elsewhere")) == (404, "NotFound")
    assert error_of(await wire.send("DELETE")) == (405, "MethodNotAllowed")
    soap = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": "DescribeLoadBalancers"}
    assert error_of(await wire.send(body=b"<Envelope/>", headers=soap)) == (400, "UnsupportedOperation")


async def test_unknown_parameters_are_ignored(wire: Wire) -> None:
    status, _ = await wire.signed(DESCRIBE | {"Surprise": "x", "Surprise.member.1": "y", "Marker.deep.er": "z"})
    assert status == 200


async def test_a_body_that_is_too_large(wire: Wire) -> None:
    body = urlencode(DESCRIBE | {"Filler": "x" * (1024 * 1024)}).encode()
    assert error_of(await wire.send(body=body)) == (413, "RequestEntityTooLarge")
    just_fits = DESCRIBE | {"Filler": "x" * (1024 * 1024 - 200)}
    assert (await wire.signed(just_fits))[0] == 200


async def test_characters_that_xml_cannot_carry_come_back_readable(wire: Wire) -> None:
    status, root = await wire.signed({"Action": "DescribeLoadBalancers", "LoadBalancerNames.member.1": "a\x00\x1b<&>"})
    assert status == 400
    message = str(root.findtext(f"{SPACE}Error/{SPACE}Message"))
    assert message == "There is no ACTIVE Load Balancer named 'a\ufffd\ufffd<&>'"


async def test_an_unplanned_error_is_a_500_with_its_report_in_the_log(
    house: House, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_call: dependencies.Call, _room: dependencies.Dependencies) -> query.Response:
        raise RuntimeError("secret detail")

    monkeypatch.setitem(dict_of(actions.ACTIONS), "DescribeLoadBalancers", broken)
    with capture_logs() as logs:
        status, root = await wire.signed(DESCRIBE)
    assert (status, root.findtext(f"{SPACE}Error/{SPACE}Code")) == (500, "InternalFailure")
    assert root.findtext(f"{SPACE}Error/{SPACE}Type") == "Receiver"
    request_id = root.findtext(f"{SPACE}RequestId")
    assert "secret detail" not in ET.tostring(root, encoding="unicode")
    (line,) = [line for line in logs if line["event"] == "call_failed"]
    assert (line["request_id"], line["action"]) == (request_id, "DescribeLoadBalancers")


def dict_of(table: Mapping[str, Any]) -> dict[str, Any]:
    assert isinstance(table, dict)
    return table


async def test_calls_are_counted_and_timed(house: House, wire: Wire) -> None:
    await wire.signed(DESCRIBE)
    await wire.signed({"Action": "x" * 50})
    with pytest.raises(ClientError):
        await house.elb.describe("none")

    def value(name: str, **labels: str) -> float | None:
        return house.registry.get_sample_value(name, labels)

    assert value("elbflow_api_requests_total", action="DescribeLoadBalancers", code="OK") == 1
    assert value("elbflow_api_requests_total", action="DescribeLoadBalancers", code="LoadBalancerNotFound") == 1
    assert value("elbflow_api_requests_total", action="unknown", code="InvalidAction") == 1
    assert value("elbflow_api_request_seconds_count", action="DescribeLoadBalancers") == 2


async def test_without_authentication_the_key_is_the_account(store_url: str) -> None:
    async with open_house(store_url, auth="off") as house:
        for account in ("111111111111", "222222222222"):
            created = await Elb(house.api.url, account, "anything").create("web")
            assert created["DNSName"] == f"web-{account}.lb.elbflow.internal"
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{house.api.url}/?Action=DescribeLoadBalancers") as got,
        ):
            assert got.status == 200


async def test_readiness_says_what_is_missing(store_url: str) -> None:
    async with open_house(store_url, working=False) as house:
        await house.api.probe.ask()
        assert house.api.probe.store() is None
        assert "is not registered yet" in str(house.api.probe.swf())
        await house.swf.register_domain("LoadbalancingDomain", retention_days=1)
        await house.api.probe.ask()
        assert house.api.probe.swf() is None


async def test_while_nothing_decides_changes_say_503_in_time_and_keep_their_orders(store_url: str) -> None:
    async with open_house(store_url, working=False, workflow_wait_s=0.3) as house:
        with pytest.raises(ClientError) as caught:
            await house.elb.create("web")
        assert code(caught) == ("ServiceUnavailable", 503)
        assert (await house.elb.describe_load_balancers())["LoadBalancerDescriptions"] == []
        assert await house.rows() == 1


async def test_many_callers_at_once(house: House, elb: Elb) -> None:
    await elb.create("web")
    ids = [f"10.0.{number}.1" for number in range(12)]
    await asyncio.gather(
        *(
            elb.register_instances_with_load_balancer(LoadBalancerName="web", Instances=[{"InstanceId": one}])
            for one in ids
        )
    )
    assert {one["InstanceId"] for one in (await elb.describe("web"))["Instances"]} == set(ids)
    assert await house.generation("web") == 13
