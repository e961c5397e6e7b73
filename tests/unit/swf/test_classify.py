"""Every botocore exception becomes the fault that says who has to act, by code and never by HTTP status."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from botocore import exceptions, parsers

from elbflow import errors, swf
from elbflow.swf import classify

URL = "http://127.0.0.1:1/"
KEY = ConnectionKey("127.0.0.1", 1, False, True, None, None, None)

CODES = [
    ("UnknownResourceFault", swf.UnknownResource),
    ("DomainAlreadyExistsFault", swf.AlreadyExists),
    ("TypeAlreadyExistsFault", swf.AlreadyExists),
    ("WorkflowExecutionAlreadyStartedFault", swf.AlreadyStarted),
    ("TypeDeprecatedFault", swf.TypeDeprecated),
    ("DefaultUndefinedFault", swf.DefaultUndefined),
    ("OperationNotPermittedFault", swf.Denied),
    ("AccessDeniedException", swf.Denied),
    ("LimitExceededFault", swf.LimitExceeded),
    ("ThrottlingException", swf.Throttled),
    ("ExpiredTokenException", swf.Unauthenticated),
    ("UnrecognizedClientException", swf.Unauthenticated),
    ("InvalidSignatureException", swf.Unauthenticated),
    ("ValidationException", swf.Invalid),
    ("SerializationException", swf.Invalid),
    ("RequestEntityTooLargeException", swf.Invalid),
    ("InternalFailure", swf.Unavailable),
    ("ServiceUnavailable", swf.Unavailable),
    ("502", swf.Unavailable),
    ("SomethingNewFault", swf.Unavailable),
]


def client_error(code: str, message: str = "text", status: int = 400) -> exceptions.ClientError:
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return exceptions.ClientError(response, "PollForDecisionTask")


@pytest.mark.parametrize(("code", "expected"), CODES)
@pytest.mark.parametrize("status", [400, 403, 500])
def test_code_decides(code: str, expected: type[swf.SwfError], status: int) -> None:
    fault = classify.fault(client_error(code, status=status), "PollForDecisionTask")
    assert type(fault) is expected
    assert fault.code == code
    assert fault.operation == "PollForDecisionTask"


def test_rate_exceeded_counts_as_throttled_under_any_unknown_code() -> None:
    assert type(classify.coded("SomeCode", "Rate exceeded", "x")) is swf.Throttled
    assert type(classify.coded("ValidationException", "tag 'Rate exceeded'", "x")) is swf.Invalid


def test_eucalyptus_refuses_with_a_validation_error() -> None:
    assert type(classify.coded("ValidationError", "Service not permitted for account", "x")) is swf.Denied
    assert type(classify.coded("ValidationError", "Value for name is invalid", "x")) is swf.Invalid


def test_the_refusal_of_a_system_only_service_is_permanent_and_says_what_to_do() -> None:
    text = "This service is for system accounts only: account 123456789012 is not permitted to use it"
    refusal = classify.coded("ValidationError", text, "PollForDecisionTask")
    assert isinstance(refusal, swf.Denied)
    assert isinstance(refusal, errors.Permanent)
    assert all(part in str(refusal) for part in (text, "administrator", "ELBFLOW_ENGINE_SYSTEM_ONLY"))


TRANSPORT = [
    (
        exceptions.EndpointConnectionError(endpoint_url=URL, error=aiohttp.ClientConnectorError(KEY, OSError())),
        "before",
    ),
    (exceptions.ConnectTimeoutError(endpoint_url=URL), "before"),
    (exceptions.SSLError(endpoint_url=URL, error="certificate"), "before"),
    (exceptions.EndpointConnectionError(endpoint_url=URL, error=aiohttp.ClientOSError(104, "reset")), "after"),
    (exceptions.ConnectionClosedError(endpoint_url=URL), "after"),
    (exceptions.ReadTimeoutError(endpoint_url=URL), "after"),
    (exceptions.HTTPClientError(error="?"), "after"),
]


@pytest.mark.parametrize(("error", "sent"), TRANSPORT)
def test_lost_connections_are_told_apart_by_what_was_sent(error: Exception, sent: str) -> None:
    expected = swf.ConnectFailed if sent == "before" else swf.Ambiguous
    assert type(classify.fault(error, "x")) is expected


def test_missing_credentials_and_unparsable_answers() -> None:
    assert type(classify.fault(exceptions.NoCredentialsError(), "x")) is swf.Unauthenticated
    unreadable = parsers.ResponseParserError("?")
    assert type(classify.fault(unreadable, "DescribeWorkflowExecution")) is swf.Unavailable
    assert type(classify.fault(unreadable, "SignalWorkflowExecution")) is swf.Ambiguous
    assert type(classify.fault(exceptions.ParamValidationError(report="?"), "x")) is swf.Invalid


def test_defects_are_not_faults() -> None:
    assert classify.fault(KeyError("bug"), "x") is None


def test_each_fault_says_who_acts() -> None:
    for _, fault in CODES:
        assert issubclass(fault, errors.Permanent) != issubclass(fault, errors.Retryable)
