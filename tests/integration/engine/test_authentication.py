"""Signed requests with real clients, refused ones on the wire (spec/swf-semantics 1.5)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from botocore import auth, awsrequest, credentials, exceptions
from tests.integration.engine import rig

from elbflow import clock, errors, service, swf
from elbflow_engine import embedded

KEY = "AKIDEXAMPLE"
SECRET = "a secret of no value"
ACCOUNT = "123456789012"
OTHER_ACCOUNT = "222233334444"
NOT_DECIDERS = ("swf:*Domain*", "swf:*WorkflowType", "swf:StartWorkflowExecution", "swf:PollFor*", "swf:Respond*")


def verifier(clock_ahead_s: float = 0.0) -> service.Authenticator:
    keys = (
        service.Credential(KEY, SECRET, ACCOUNT),
        service.Credential("AKIDADMIN", SECRET, ACCOUNT, admin=True),
        service.Credential("AKIDOTHER", SECRET, OTHER_ACCOUNT),
        service.Credential("AKIDVM", SECRET, ACCOUNT, roles=("loadbalancer-vm-x",)),
        service.Credential("AKIDREADER", SECRET, ACCOUNT, permissions=service.Permissions(("swf:List*",))),
        service.Credential(
            "AKIDTIMELESS",
            SECRET,
            ACCOUNT,
            permissions=service.Permissions((*NOT_DECIDERS, "swf:RecordMarker", "swf:GetWorkflowExecutionHistory")),
        ),
    )
    moment = clock.ManualClock(time.time() + clock_ahead_s) if clock_ahead_s else clock.SystemClock()
    return service.Verifier(service.StaticKeys(keys), service="swf", clock=moment)


@pytest.fixture
async def guarded() -> AsyncIterator[str]:
    async with embedded.engine(auth=verifier(), hold_s=1) as url:
        yield url


def refusal(url: str, key: str = KEY, secret: str = SECRET, region: str = "us-east-1") -> str:
    """Code of the error a listing gets; empty when it is served."""
    swf = rig.boto_client(url, access_key=key, secret=secret, region=region)
    try:
        swf.list_domains(registrationStatus="REGISTERED")
    except exceptions.ClientError as error:
        detail = error.response
        return str(detail["Error"]["Code"]) if detail["ResponseMetadata"]["HTTPStatusCode"] == 400 else "no 400"
    return ""


async def test_the_right_signature_is_let_in(guarded: str) -> None:
    def run() -> str:
        swf = rig.boto_client(guarded, access_key=KEY, secret=SECRET)
        swf.register_domain(name="d", workflowExecutionRetentionPeriodInDays="1")
        return str(swf.describe_domain(name="d")["domainInfo"]["arn"])

    assert await asyncio.to_thread(run) == f"arn:aws:swf:us-east-1:{ACCOUNT}:/domain/d"


@pytest.mark.parametrize(
    ("key", "secret", "code"),
    [(KEY, "wrong", "InvalidSignatureException"), ("AKIDNOBODY", SECRET, "UnrecognizedClientException")],
)
async def test_wrong_keys_are_refused(guarded: str, key: str, secret: str, code: str) -> None:
    def run() -> tuple[str, int]:
        with pytest.raises(exceptions.ClientError) as caught:
            rig.boto_client(guarded, access_key=key, secret=secret).list_domains(registrationStatus="REGISTERED")
        response = caught.value.response
        return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]

    assert await asyncio.to_thread(run) == (code, 400)


async def test_unsigned_requests_are_refused(guarded: str, session: aiohttp.ClientSession) -> None:
    wire = rig.Wire(session, guarded)
    answer = await wire.send("ListDomains", {"registrationStatus": "REGISTERED"})
    assert (answer.status, answer.code) == (400, "MissingAuthenticationTokenException")
    answer = await wire.send("ListDomains", {}, Authorization="AWS4-HMAC-SHA256 Credential=x")
    assert (answer.status, answer.code) == (400, "IncompleteSignatureException")


async def test_framing_and_target_are_checked_before_the_signature(
    guarded: str, session: aiohttp.ClientSession
) -> None:
    wire = rig.Wire(session, guarded)
    assert (await wire.send("ListDomains", b"{")).code == "SerializationException"
    assert (await wire.send("NoSuchOperation", {})).code == "UnknownOperationException"
    assert (await wire.send("ListDomains", {"registrationStatus": 1})).code == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("ahead_s", [400, -400])
async def test_a_signature_of_another_time_is_refused(ahead_s: float) -> None:
    async with embedded.engine(auth=verifier(ahead_s)) as url:
        assert await asyncio.to_thread(refusal, url) == "InvalidSignatureException"
    async with embedded.engine(auth=verifier(ahead_s / 2)) as url:
        assert await asyncio.to_thread(refusal, url) == ""


async def test_a_changed_header_or_body_breaks_the_signature(guarded: str, session: aiohttp.ClientSession) -> None:
    body = b'{"registrationStatus":"REGISTERED"}'
    signed = awsrequest.AWSRequest("POST", guarded, data=body, headers=target("ListDomains"))
    auth.SigV4Auth(credentials.Credentials(KEY, SECRET), "swf", "us-east-1").add_auth(signed)
    sent = dict(signed.headers.items())
    wire = rig.Wire(session, guarded)
    assert (await wire.post(sent, body)).status == 200
    for headers, changed in (
        (sent, body + b" "),
        (sent | target("RegisterDomain"), body),
        (sent | {"x-amz-security-token": "t"}, body),
        (sent | {"Authorization": sent["Authorization"][:-1] + "g"}, body),
        (sent | {"Authorization": sent["Authorization"].replace("/us-east-1/", "/eu-west-1/")}, body),
        (sent | {"Authorization": sent["Authorization"].replace("/swf/", "/sqs/")}, body),
    ):
        answer = await wire.post(headers, changed)
        assert (answer.status, answer.code) == (400, "InvalidSignatureException")


async def test_nothing_crosses_accounts_or_regions(guarded: str) -> None:
    def run() -> list[list[str]]:
        swf = {
            (key, region): rig.boto_client(guarded, access_key=key, secret=SECRET, region=region)
            for key in (KEY, "AKIDOTHER")
            for region in ("us-east-1", "eu-west-1")
        }
        swf[KEY, "us-east-1"].register_domain(name="home", workflowExecutionRetentionPeriodInDays="1")
        swf[KEY, "eu-west-1"].register_domain(name="abroad", workflowExecutionRetentionPeriodInDays="1")
        with pytest.raises(exceptions.ClientError, match="Unknown domain: home"):
            swf["AKIDOTHER", "us-east-1"].describe_domain(name="home")
        return [
            [info["arn"] for info in one.list_domains(registrationStatus="REGISTERED")["domainInfos"]]
            for one in swf.values()
        ]

    assert await asyncio.to_thread(run) == [
        [f"arn:aws:swf:us-east-1:{ACCOUNT}:/domain/home"],
        [f"arn:aws:swf:eu-west-1:{ACCOUNT}:/domain/abroad"],
        [],
        [],
    ]


async def test_without_authentication_unsigned_calls_belong_to_the_home_region(
    session: aiohttp.ClientSession, endpoint: str
) -> None:
    wire = rig.Wire(session, endpoint)
    await wire.ok("RegisterDomain", name="d", workflowExecutionRetentionPeriodInDays="1")
    scope = "AWS4-HMAC-SHA256 Credential=000000000000/20260101/{}/swf/aws4_request"
    for region, found in (("us-east-1", 1), ("eu-west-1", 0), ("../../x", 1)):
        headers = {"Authorization": scope.format(region)}
        answer = await wire.send("ListDomains", {"registrationStatus": "REGISTERED"}, **headers)
        assert len(answer.json["domainInfos"]) == found


async def test_a_denied_action_is_refused_after_its_shape_was_checked(guarded: str) -> None:
    def run() -> list[str]:
        codes = []
        swf = rig.boto_client(guarded, access_key="AKIDREADER", secret=SECRET)
        assert swf.list_domains(registrationStatus="REGISTERED")["domainInfos"] == []
        for name in ("d", "a:b", "x" * 257):
            with pytest.raises(exceptions.ClientError) as caught:
                swf.describe_domain(name=name)
            codes.append(type(caught.value).__name__ + " " + caught.value.response["Error"]["Code"])
        return codes

    assert await asyncio.to_thread(run) == [
        "OperationNotPermittedFault OperationNotPermittedFault",
        "ClientError ValidationException",
        "ClientError ValidationException",
    ]


async def test_a_denied_decision_fails_in_the_history(guarded: str) -> None:
    def run() -> list[dict[str, object]]:
        swf = rig.boto_client(guarded, access_key="AKIDTIMELESS", secret=SECRET)
        swf.register_domain(name=rig.DOMAIN, workflowExecutionRetentionPeriodInDays="1")
        swf.register_workflow_type(
            domain=rig.DOMAIN,
            **rig.TYPE,
            defaultTaskList=rig.LIST,
            defaultTaskStartToCloseTimeout="30",
            defaultExecutionStartToCloseTimeout="300",
            defaultChildPolicy="TERMINATE",
        )
        execution = {"workflowId": "w"}
        execution |= {
            "runId": swf.start_workflow_execution(domain=rig.DOMAIN, workflowId="w", workflowType=rig.TYPE)["runId"]
        }
        task = swf.poll_for_decision_task(domain=rig.DOMAIN, taskList=rig.LIST)
        timer = {"timerId": "t", "startToFireTimeout": "1"}
        swf.respond_decision_task_completed(
            taskToken=task["taskToken"],
            decisions=[
                {"decisionType": "StartTimer", "startTimerDecisionAttributes": timer},
                {"decisionType": "RecordMarker", "recordMarkerDecisionAttributes": {"markerName": "m"}},
            ],
        )
        return list(swf.get_workflow_execution_history(domain=rig.DOMAIN, execution=execution)["events"][4:6])

    failed, marked = await asyncio.to_thread(run)
    assert failed["eventType"] == "StartTimerFailed"
    assert failed["startTimerFailedEventAttributes"] == {
        "timerId": "t",
        "cause": "OPERATION_NOT_PERMITTED",
        "decisionTaskCompletedEventId": 4,
    }
    assert marked["eventType"] == "MarkerRecorded"


async def test_an_engine_for_the_system_only_refuses_others_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    async with embedded.engine(auth=verifier(), system_only=True) as url:
        assert await asyncio.to_thread(refusal, url, "AKIDADMIN") == ""
        assert await asyncio.to_thread(refusal, url, "AKIDVM") == ""
        assert await asyncio.to_thread(refusal, url, KEY) == "ValidationError"
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        async with swf.Client.open(swf.ClientSettings(endpoint_url=url)) as client:
            with pytest.raises(swf.Denied, match=f"account {ACCOUNT} is not permitted") as caught:
                await client.register_domain("d", retention_days=1)
        assert isinstance(caught.value, errors.Permanent)
        assert "administrator" in str(caught.value)


async def test_nothing_secret_is_logged(capsys: pytest.CaptureFixture[str], session: aiohttp.ClientSession) -> None:
    async with embedded.engine(auth=verifier()) as url:
        await asyncio.to_thread(refusal, url, KEY, "wrong secret")
        await asyncio.to_thread(refusal, url)
        wire = rig.Wire(session, url)
        header = f"AWS4-HMAC-SHA256 Credential={SECRET}, Signature={'s' * 9000}"
        assert (await wire.send("ListDomains", {}, Authorization=header)).status == 400
    logged = capsys.readouterr()
    assert "engine_serving" in logged.out + logged.err
    for secret in (SECRET, "wrong secret", "ssss"):
        assert secret not in logged.out + logged.err


def target(operation: str) -> dict[str, str]:
    return {"X-Amz-Target": f"SimpleWorkflowService.{operation}"}
