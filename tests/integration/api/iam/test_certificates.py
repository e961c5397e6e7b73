"""Server certificates through boto3's IAM client, and the listeners that use them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.integration.api.conftest import ACCOUNT, BOTH, House, code
from tests.integration.api.iam.conftest import ARN, Place, kept, opened
from tests.unit.api.iam.conftest import Issued

from elbflow.contract import document, names

DATABASES = BOTH


async def test_a_certificate_from_upload_to_deletion(place: Place, www: Issued, authority: Issued) -> None:
    uploaded = await place.iam.upload(
        "www", www, Path="/shop/", CertificateChain=authority.pem, Tags=[{"Key": "team", "Value": "a"}]
    )
    assert uploaded["Arn"] == f"{ARN}/shop/www"
    assert uploaded["ServerCertificateId"].startswith("ASCA")
    assert len(uploaded["ServerCertificateId"]) == 21
    assert uploaded["Expiration"] == www.certificate.not_valid_after_utc
    answer = (await place.iam.get_server_certificate(ServerCertificateName="www"))["ServerCertificate"]
    assert answer == {
        "ServerCertificateMetadata": uploaded,
        "CertificateBody": www.pem.strip(),
        "CertificateChain": authority.pem.strip(),
        "Tags": [{"Key": "team", "Value": "a"}],
    }
    await place.iam.delete_server_certificate(ServerCertificateName="www")
    with pytest.raises(ClientError) as caught:
        await place.iam.get_server_certificate(ServerCertificateName="www")
    assert code(caught) == ("NoSuchEntity", 404)


async def test_pages_and_paths(place: Place, www: Issued) -> None:
    for name, path in (("d", "/"), ("b", "/a/"), ("c", "/a/b/"), ("a", "/ab/")):
        await place.iam.upload(name, www, Path=path)
    assert await place.iam.names() == ["a", "b", "c", "d"]
    assert await place.iam.names(PathPrefix="/a/") == ["b", "c"]
    assert await place.iam.names(PathPrefix="/_/") == []
    pages = place.iam.boto.get_paginator("list_server_certificates").paginate(PaginationConfig={"PageSize": 3})
    read = await asyncio.to_thread(lambda: [page["ServerCertificateMetadataList"] for page in pages])
    assert [[one["ServerCertificateName"] for one in page] for page in read] == [["a", "b", "c"], ["d"]]
    with pytest.raises(ClientError) as caught:
        await place.iam.names(Marker="??")
    assert code(caught) == ("ValidationError", 400)


async def test_only_one_of_many_uploads_gets_the_name(place: Place, www: Issued) -> None:
    results = await asyncio.gather(*(place.iam.upload("www", www) for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(result, dict) for result in results) == 1
    refusals = [result for result in results if isinstance(result, ClientError)]
    assert {str(refusal.response["Error"]["Code"]) for refusal in refusals} == {"EntityAlreadyExists"}
    assert len(refusals) == 2


async def test_names_that_differ_only_in_case_are_the_same_name(place: Place, www: Issued) -> None:
    results = await asyncio.gather(
        *(place.iam.upload(name, www) for name in ("www", "WWW", "Www")), return_exceptions=True
    )
    (uploaded,) = [result for result in results if isinstance(result, dict)]
    assert sum("EntityAlreadyExists" in str(result) for result in results) == 2
    await place.iam.upload("mail", www)
    with pytest.raises(ClientError) as caught:
        await place.iam.update_server_certificate(
            ServerCertificateName="mail", NewServerCertificateName=uploaded["ServerCertificateName"].swapcase()
        )
    assert code(caught) == ("EntityAlreadyExists", 409)
    await place.iam.update_server_certificate(ServerCertificateName="mail", NewServerCertificateName="MAIL")
    assert await place.iam.names() == sorted(["MAIL", uploaded["ServerCertificateName"]])


async def listener_certificate(house: House) -> str:
    described = await house.elb.describe()
    certificate: str = described["ListenerDescriptions"][0]["Listener"]["SSLCertificateId"]
    return certificate


async def test_a_certificate_in_use(place: Place, www: Issued) -> None:
    arn = (await place.iam.upload("www", www))["Arn"]
    house = place.house
    https = {"Protocol": "HTTPS", "LoadBalancerPort": 443, "InstancePort": 80, "SSLCertificateId": arn}
    await house.elb.create(Listeners=[https])
    with pytest.raises(ClientError) as caught:
        await place.iam.delete_server_certificate(ServerCertificateName="www")
    assert code(caught) == ("DeleteConflict", 409)
    assert f"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:loadbalancer/web" in str(caught.value)

    before = await house.generation("web")
    await place.iam.update_server_certificate(
        ServerCertificateName="www", NewServerCertificateName="new", NewPath="/shop/"
    )
    assert await listener_certificate(house) == f"{ARN}/shop/new"
    assert await house.generation("web") == before + 1
    await house.settled()
    async with asyncio.timeout(10):  # the workflow permits, pushes and takes the former permission away
        while ("commit_certificate", "web") not in house.shop.calls:
            await asyncio.sleep(0.02)
    row = await kept(place, "new")
    assert await place.private_key(row) == www.key_pem()

    await house.elb.delete_load_balancer(LoadBalancerName="web")
    await house.until_gone("web")
    await place.iam.delete_server_certificate(ServerCertificateName="new")
    assert await place.iam.names() == []


async def test_a_repeated_change_of_a_certificate_does_the_work_that_was_cut_off(place: Place, www: Issued) -> None:
    house = place.house
    arns = [(await place.iam.upload(name, www))["Arn"] for name in ("one", "two")]
    https = {"Protocol": "HTTPS", "LoadBalancerPort": 443, "InstancePort": 80, "SSLCertificateId": arns[0]}
    await house.elb.create(Listeners=[https])

    async def change() -> None:
        await house.elb.set_load_balancer_listener_ssl_certificate(
            LoadBalancerName="web", LoadBalancerPort=443, SSLCertificateId=arns[1]
        )

    house.shop.hold["web"] = asyncio.Event()
    changing = asyncio.ensure_future(change())
    workflow_id = await house.first_open("SetLoadBalancerListenerSSLCertificate")
    await house.swf.terminate_workflow_execution(names.DOMAIN, workflow_id, reason="operator")
    with pytest.raises(ClientError) as caught:
        await changing
    assert code(caught) == ("InternalFailure", 500)
    house.shop.hold.pop("web").set()
    house.shop.calls.clear()

    house.shop.refuse["web"] = "no role"
    with pytest.raises(ClientError) as caught:
        await change()
    assert code(caught) == ("InternalFailure", 400)
    assert await listener_certificate(house) == arns[0]  # what it was before the change that was cut off

    house.shop.refuse.clear()
    await change()
    assert await listener_certificate(house) == arns[1]
    house.shop.calls.clear()
    await change()
    assert house.shop.calls == []


async def test_vms_hear_of_https_listeners_from_the_workflow_and_of_others_at_once(place: Place, www: Issued) -> None:
    house = place.house
    arn = (await place.iam.upload("www", www))["Arn"]
    await house.elb.create()
    await house.start_update()
    https = {"Protocol": "HTTPS", "LoadBalancerPort": 443, "InstancePort": 443, "SSLCertificateId": arn}
    http = {"Protocol": "HTTP", "LoadBalancerPort": 81, "InstancePort": 8000}
    await house.elb.create_load_balancer_listeners(LoadBalancerName="web", Listeners=[https])
    assert await house.pushed() == []
    await house.elb.create_load_balancer_listeners(LoadBalancerName="web", Listeners=[http])
    assert await house.pushed() == [await house.generation("web")]


async def test_a_certificate_is_not_deleted_under_a_listener_that_begins_to_use_it(place: Place, www: Issued) -> None:
    """Whoever is first wins: either the listener is refused, or the deletion."""
    await place.house.elb.create()
    for number in range(4):
        arn = (await place.iam.upload("www", www))["Arn"]
        port = 8443 + number
        https = {"Protocol": "HTTPS", "LoadBalancerPort": port, "InstancePort": 80, "SSLCertificateId": arn}
        results: tuple[object, object] = await asyncio.gather(
            place.house.elb.create_load_balancer_listeners(LoadBalancerName="web", Listeners=[https]),
            place.iam.delete_server_certificate(ServerCertificateName="www"),
            return_exceptions=True,
        )
        used, deleted = results
        lb = await place.house.load_balancer("web")
        assert lb is not None
        assert (lb.listener_on(port) is None) == isinstance(used, ClientError)
        assert isinstance(used, ClientError) != isinstance(deleted, ClientError)
        if isinstance(deleted, ClientError):
            assert deleted.response["Error"]["Code"] == "DeleteConflict"
            await place.house.elb.delete_load_balancer_listeners(LoadBalancerName="web", LoadBalancerPorts=[port])
            await place.iam.delete_server_certificate(ServerCertificateName="www")


async def test_the_longest_names_fit_into_a_listener(place: Place, www: Issued) -> None:
    path = "/" + "p" * 510 + "/"
    arn = (await place.iam.upload("n" * 128, www, Path=path))["Arn"]
    assert len(arn) == len(ARN) + 640
    https = {"Protocol": "HTTPS", "LoadBalancerPort": 443, "InstancePort": 80, "SSLCertificateId": arn}
    await place.house.elb.create(Listeners=[https])
    assert await listener_certificate(place.house) == arn
    async with place.house.db.reading() as tx:
        assert await tx.server_certificates.users(arn) == [document.LoadBalancerKey(ACCOUNT, "web")]


async def test_uploads_at_once_do_not_pass_the_limit(store_url: str, tmp_path: Path, www: Issued) -> None:
    async with opened(store_url, tmp_path, max_server_certificates=2) as place:
        await place.iam.upload("first", www)
        results = await asyncio.gather(*(place.iam.upload(f"a{n}", www) for n in range(3)), return_exceptions=True)
        assert sum(isinstance(result, dict) for result in results) == 1
        assert len(await place.iam.names()) == 2


async def test_a_user_that_goes_during_a_renaming_is_no_failure_of_ours(
    place: Place, www: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server a load balancer may be deleted between the question who uses the certificate and the locks."""
    await place.iam.upload("www", www)
    seen = iter([[document.LoadBalancerKey(ACCOUNT, "gone")]])

    async def users(_: object, __: str) -> list[document.LoadBalancerKey]:
        return next(seen, [])

    monkeypatch.setattr("elbflow.store.server_certificates.ServerCertificates.users", users)
    with pytest.raises(ClientError) as caught:
        await place.iam.update_server_certificate(ServerCertificateName="www", NewPath="/shop/")
    assert code(caught) == ("ConcurrentModification", 409)
