"""A cloud that does not answer, or not what was asked: the request fails, and nothing counts as missing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web
from botocore.exceptions import ClientError
from tests.integration.api.aws.conftest import places, view
from tests.integration.api.conftest import ACCOUNT, House, code, open_house

from elbflow import service
from elbflow_api.cloud import base, calls, opening

ZONES = (
    '<DescribeAvailabilityZonesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><availabilityZoneInfo>'
    "<item><zoneName>one-a</zoneName><zoneState>available</zoneState></item>"
    "<item><zoneName>one-b</zoneName><zoneState>impaired</zoneState></item>"
    "</availabilityZoneInfo></DescribeAvailabilityZonesResponse>"
)
NOTHING = '<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><vpcSet/></DescribeVpcsResponse>'


def refused(error: str, status: int) -> tuple[int, str]:
    body = f"<Response><Errors><Error><Code>{error}</Code><Message>words</Message></Error></Errors></Response>"
    return status, body


class Ec2:
    """Gives the prepared answers, the last one for ever; counts requests. None is never answered."""

    def __init__(self, *answers: tuple[int, str] | None) -> None:
        self._answers: Sequence[tuple[int, str] | None] = answers
        self.asked = 0
        self.signatures: list[str] = []
        self.url = ""

    async def _answer(self, request: web.Request) -> web.Response:
        await request.read()
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        self.signatures.append(request.headers["Authorization"])
        if answer is None:
            await asyncio.sleep(60)
        assert answer is not None
        status, body = answer
        return web.Response(status=status, text=body, content_type="text/xml")

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Ec2]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = service.url_of(*runner.addresses[0][:2])
            yield self
        finally:
            await runner.cleanup()


async def test_a_refusal_that_passes_is_repeated() -> None:
    answers = refused("RequestLimitExceeded", 503), refused("Whatever", 500), (200, ZONES)
    async with Ec2(*answers).serving() as ec2, view(ec2.url) as aws:
        assert await asyncio.gather(*(aws.zones() for _ in range(20))) == [("one-a",)] * 20
        assert ec2.asked == 3
        assert await aws.zones() == ("one-a",)
    assert ec2.asked == 3


@pytest.mark.parametrize(
    ("answer", "tries", "message"),
    [
        (refused("UnauthorizedOperation", 403), 1, r"EC2 DescribeVpcs: UnauthorizedOperation"),
        (refused("InvalidParameterValue", 400), 1, r"EC2 DescribeVpcs: InvalidParameterValue"),
        (refused("RequestLimitExceeded", 503), calls.ATTEMPTS, r"does not answer now \(EC2 DescribeVpcs\)"),
        ((200, "<html>a proxy"), calls.ATTEMPTS, r"does not answer now \(EC2 DescribeVpcs\)"),
        ((200, "<html><p>a proxy</p></html>"), 1, r"does not answer now \(EC2 DescribeVpcs\)"),
        ((200, ""), calls.ATTEMPTS, r"does not answer now \(EC2 DescribeVpcs\)"),
    ],
)
async def test_it_is_not_an_answer(answer: tuple[int, str], tries: int, message: str) -> None:
    async with Ec2(answer).serving() as ec2, view(ec2.url) as aws:
        with pytest.raises(base.CloudUnavailable, match=message):
            await aws.default_vpc(ACCOUNT)
        assert ec2.asked == tries


async def test_silence_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Ec2((200, ZONES), None).serving() as ec2, view(ec2.url) as aws:
        await aws.zones()  # a client's first call takes long
        monkeypatch.setattr(calls, "TRY_S", 0.3)
        with pytest.raises(base.CloudUnavailable, match="does not answer now"):
            await aws.subnets(ACCOUNT, ["subnet-1"])
        assert ec2.asked == 1 + calls.ATTEMPTS


async def test_pages_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    page = NOTHING.replace("<vpcSet/>", "<vpcSet/><nextToken>again</nextToken>")
    async with Ec2((200, ZONES), (200, page)).serving() as ec2, view(ec2.url) as aws:
        await aws.zones()  # a client's first call takes long
        monkeypatch.setattr(calls, "LISTING_S", 0.5)
        with pytest.raises(base.CloudUnavailable, match="does not answer now"):
            await aws.default_vpc(ACCOUNT)
        assert ec2.asked > 2


@contextlib.asynccontextmanager
async def house_with(store_url: str, url: str) -> AsyncIterator[House]:
    async with open_house(store_url, working=False, cloud="aws", **places(url)) as house:
        yield house


async def test_users_are_told_to_come_back(store_url: str) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:server-certificate/site"
    listeners = [{"Protocol": "SSL", "LoadBalancerPort": 443, "InstancePort": 80, "SSLCertificateId": arn}]
    requests: Sequence[tuple[str, dict[str, Any]]] = (
        ("create", {"Subnets": ["subnet-1"], "AvailabilityZones": []}),
        ("create_load_balancer_listeners", {"LoadBalancerName": "web", "Listeners": listeners}),
        ("attach_load_balancer_to_subnets", {"LoadBalancerName": "web", "Subnets": ["subnet-1"]}),
        ("register_instances_with_load_balancer", {"LoadBalancerName": "web", "Instances": [{"InstanceId": "i-1"}]}),
    )
    async with Ec2(refused("AuthFailure", 401)).serving() as ec2, house_with(store_url, ec2.url) as house:
        for operation, given in requests:
            with pytest.raises(ClientError, match="The cloud does not let the service look") as caught:
                await getattr(house.elb, operation)(**given)
            assert code(caught) == ("ServiceUnavailable", 503)
        value = house.registry.get_sample_value
        labels = {"operation": "EC2:DescribeSubnets", "outcome": "refused"}
        assert value("elbflow_api_cloud_seconds_count", labels) == 1
        # What needs no cloud goes on.
        assert (await house.elb.describe_load_balancers())["LoadBalancerDescriptions"] == []


async def test_what_the_log_says() -> None:
    async with Ec2(refused("UnauthorizedOperation", 403)).serving() as ec2, view(ec2.url) as aws:
        with structlog.testing.capture_logs() as lines, pytest.raises(base.CloudUnavailable):
            await aws.zones()
    (line,) = lines
    assert (line["event"], line["operation"], line["code"]) == (
        "cloud_refused",
        "DescribeAvailabilityZones",
        "UnauthorizedOperation",
    )


@pytest.mark.parametrize(
    ("change", "chosen", "message"),
    [
        (lambda patch: patch.delenv("AWS_ACCESS_KEY_ID"), {}, "no AWS credentials|Partial credentials"),
        (lambda patch: None, {"cloud_profile": "nobody"}, "nobody"),
    ],
)
async def test_without_credentials_it_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
    may_block: None,
    change: Callable[[pytest.MonkeyPatch], None],
    chosen: dict[str, str],
    message: str,
) -> None:
    change(monkeypatch)
    with pytest.raises(opening.CloudNotUsable, match=message):
        async with view("http://127.0.0.1:1", **chosen):
            raise AssertionError("it was opened")


async def test_the_profile_of_the_cloud_wins_over_the_keys_for_swf(
    monkeypatch: pytest.MonkeyPatch, may_block: None, tmp_path: Path
) -> None:
    keys = tmp_path / "credentials"
    keys.write_text("[cloud]\naws_access_key_id = AKIDCLOUD\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    async with Ec2((200, ZONES)).serving() as ec2:
        for profile, key in ((None, "000000000000"), ("cloud", "AKIDCLOUD")):
            async with view(ec2.url, cloud_profile=profile, cloud_region="eu-north-1") as aws:
                assert await aws.zones() == ("one-a",)
            assert f"Credential={key}/" in ec2.signatures[-1]
            assert "/eu-north-1/ec2/" in ec2.signatures[-1]
