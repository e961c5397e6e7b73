"""Real clients over a real connection: what aiohttp hands us is what boto3 signed."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import pytest
import urllib3
from aiohttp import web

from elbflow import clock, service

CREDENTIAL = service.Credential("ASIDEXAMPLE", "secret/+=", "000000000042", session_token="tok+en==")
EMPTY_ANSWER = (
    '<DescribeLoadBalancersResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2012-06-01/">'
    "<DescribeLoadBalancersResult><LoadBalancerDescriptions/></DescribeLoadBalancersResult>"
    "</DescribeLoadBalancersResponse>"
)

Client = Callable[..., Any]


@dataclasses.dataclass
class Server:
    url: str
    identities: list[service.Identity]


@pytest.fixture
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    name, answer = request.param
    verifier = service.Verifier(service.StaticKeys([CREDENTIAL]), service=name, clock=clock.SystemClock())
    identities: list[service.Identity] = []

    async def handle(received: web.Request) -> web.Response:
        try:
            identities.append(await verifier.verify(service.from_aiohttp(received, await received.read())))
        except service.AuthError as error:
            return web.Response(status=403, text=f"{error.code}: {error.message}")
        return web.Response(text=answer, content_type="application/json" if name == "swf" else "text/xml")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield Server(f"http://127.0.0.1:{runner.addresses[0][1]}", identities)
    await runner.cleanup()


def client(name: str, url: str, credential: service.Credential = CREDENTIAL) -> Any:
    return boto3.client(
        name,
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id=credential.access_key_id,
        aws_secret_access_key=credential.secret_access_key,
        aws_session_token=credential.session_token,
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )


SWF = ("swf", '{"domainInfos": []}')
ELB = ("elasticloadbalancing", EMPTY_ANSWER)


@pytest.mark.parametrize("server", [SWF], indirect=True)
async def test_the_swf_client_is_known(server: Server) -> None:
    swf = client("swf", server.url)
    answer = await asyncio.to_thread(swf.list_domains, registrationStatus="REGISTERED")
    assert answer["domainInfos"] == []
    assert server.identities == [
        service.Identity(CREDENTIAL.account, CREDENTIAL.access_key_id, admin=False, region="eu-central-1")
    ]


@pytest.mark.parametrize("server", [ELB], indirect=True)
@pytest.mark.parametrize("path", ["", "/services/Load%20balancing/"])
async def test_the_elb_client_is_known(server: Server, path: str) -> None:
    elb = client("elb", server.url + path)
    answer = await asyncio.to_thread(elb.describe_load_balancers, LoadBalancerNames=["a b+c/ä"])
    assert answer["LoadBalancerDescriptions"] == []
    assert [identity.account for identity in server.identities] == [CREDENTIAL.account]


@pytest.mark.parametrize("server", [ELB], indirect=True)
async def test_a_presigned_address_is_known(server: Server) -> None:
    elb = client("elb", server.url)
    address = elb.generate_presigned_url("describe_load_balancers", {"LoadBalancerNames": ["a b+c"]}, HttpMethod="GET")
    response = await asyncio.to_thread(urllib3.request, "GET", address)
    assert (response.status, response.data.decode()) == (200, EMPTY_ANSWER)
    refused = await asyncio.to_thread(urllib3.request, "GET", address.replace("Describe", "Delete"))
    assert refused.status == 403
    assert refused.data.startswith(b"SignatureDoesNotMatch")


@pytest.mark.parametrize("server", [SWF], indirect=True)
async def test_a_wrong_secret_is_refused(server: Server) -> None:
    swf = client("swf", server.url, dataclasses.replace(CREDENTIAL, secret_access_key="wrong"))
    with pytest.raises(botocore.exceptions.ClientError):
        await asyncio.to_thread(swf.list_domains, registrationStatus="REGISTERED")
    assert server.identities == []
