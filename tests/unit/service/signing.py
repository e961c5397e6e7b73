"""Requests signed by botocore, in the shape servers receive them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from elbflow import clock, service

CREDENTIAL = service.Credential("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "000000000042")
SESSION = service.Credential("ASIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "000000000042", session_token="tok+en/==")
REGION = "eu-central-1"
HOST = "swf.local:8700"

Change = Callable[[service.SignedRequest], service.SignedRequest]


def signed(
    *,
    method: str = "POST",
    path: str = "/",
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    credential: service.Credential = CREDENTIAL,
    presign_s: int | None = None,
    name: str = "swf",
) -> service.SignedRequest:
    """A request signed now for the service ``name``; in presigned form when ``presign_s`` is given."""
    request = AWSRequest(
        method, f"http://{HOST}{path}", headers={"Host": HOST, **(headers or {})}, data=body, params=params
    )
    credentials = Credentials(credential.access_key_id, credential.secret_access_key, credential.session_token)
    if presign_s is None:
        SigV4Auth(credentials, name, REGION).add_auth(request)
    else:
        SigV4QueryAuth(credentials, name, REGION, expires=presign_s).add_auth(request)
    sent = request.prepare()
    target = urlsplit(sent.url)
    received = tuple((str(key), _text(value)) for key, value in sent.headers.items())
    return service.SignedRequest(method, target.path, target.query, received, sent.body or b"")


def verifier(*, name: str = "swf", at: clock.Clock | None = None) -> service.Verifier:
    keys = service.StaticKeys([CREDENTIAL, SESSION])
    return service.Verifier(keys, service=name, clock=at or clock.SystemClock())


def with_header(name: str, value: str | None) -> Change:
    """Replace all headers of a name by one, or remove them."""

    def change(request: service.SignedRequest) -> service.SignedRequest:
        kept = [(key, old) for key, old in request.headers if key.lower() != name.lower()]
        return dataclasses.replace(request, headers=kept if value is None else [*kept, (name, value)])

    return change


def header(request: service.SignedRequest, name: str) -> str:
    (value,) = (value for key, value in request.headers if key.lower() == name.lower())
    return value


def edit_authorization(old: str, new: str) -> Change:
    def change(request: service.SignedRequest) -> service.SignedRequest:
        value = header(request, "Authorization")
        assert old in value
        return with_header("Authorization", value.replace(old, new))(request)

    return change


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
