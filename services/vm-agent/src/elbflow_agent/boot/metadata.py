"""The cloud's metadata service: who this VM is and where it serves (spec/vm-agent-data-plane 1.3, F4 to F7).

Role credentials are not fetched here: aiobotocore does that, by the same service and the same two variables of the
environment, ``AWS_EC2_METADATA_SERVICE_ENDPOINT`` and ``AWS_EC2_METADATA_DISABLED``.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import time
import urllib.parse
from collections.abc import Callable, Mapping
from http import HTTPStatus

from elbflow import errors

_ENDPOINT = "http://169.254.169.254"
_TIMEOUT_S = 2.0
_PATIENCE_S = 60.0
_PAUSE_S = 1.0
_TOKEN_LIFE_S = 21600
_LONGEST = 64 * 1024
_WITHOUT_TOKENS = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)


class MetadataUnavailable(errors.Retryable):
    """The metadata service did not answer, or not what a VM must know."""


class _NoAnswer(Exception):
    """One attempt failed."""


class MetadataService:
    """Blocking client for the start of a process: version 2 with a token, version 1 where there are none.

    Every answer is waited for at most ``patience_s`` seconds in all: a VM may boot before its network is there.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        patience_s: float = _PATIENCE_S,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        url = urllib.parse.urlsplit(endpoint or os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _ENDPOINT)
        self._host, self._port = url.hostname or "", url.port or 80
        self._patience_s = patience_s
        self._monotonic = monotonic
        self._sleep = sleep
        self._token: str | None = None
        self._has_tokens = True

    @staticmethod
    def is_disabled() -> bool:
        """Whether the environment says that there is none."""
        return os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"

    def instance_id(self) -> str:
        """The VM's instance id. Raises :class:`MetadataUnavailable`."""
        return self._needed("instance-id")

    def data_address(self, *, is_attached_later: bool = False) -> str:
        """Address on which clients reach the VM: of its last interface, which in a VPC is the user's (REQ-1.10).

        A VM of one interface has the address that the service calls ``local-ipv4``. With ``is_attached_later`` one in
        a VPC has two, the second some time after its start, as the original's control plane does it (1.2). Raises
        :class:`MetadataUnavailable`.
        """
        deadline = self._monotonic() + self._patience_s
        addresses = self._addresses()
        while is_attached_later and len(addresses) == 1 and self._is_in_vpc():
            if self._monotonic() >= deadline:
                raise MetadataUnavailable(
                    f"the VM is in a VPC and has no interface in the user's subnet after {self._patience_s:g} s; "
                    "agent_address says where to serve without one"
                )
            self._sleep(_PAUSE_S)
            addresses = self._addresses()
        return _address(addresses[-1] if addresses else self._needed("local-ipv4"))

    def _addresses(self) -> list[str]:
        """The first address of each interface that has one, in the interfaces' order."""
        found = (self._of_interface(mac, "local-ipv4s").split() for mac in self._interfaces())
        return [addresses[0] for addresses in found if addresses]

    def _is_in_vpc(self) -> bool:
        return any(self._of_interface(mac, "vpc-id") for mac in self._interfaces()[:1])

    def _interfaces(self) -> list[str]:
        """Their MACs, the first interface first."""
        macs = [line.strip("/ ") for line in (self._get("network/interfaces/macs/") or "").splitlines()]
        numbers = {mac: self._of_interface(mac, "device-number") for mac in macs if mac}
        return [mac for _, mac in sorted((int(number), mac) for mac, number in numbers.items() if number.isdecimal())]

    def _of_interface(self, mac: str, name: str) -> str:
        return (self._get(f"network/interfaces/macs/{mac}/{name}") or "").strip()

    def _needed(self, path: str) -> str:
        found = (self._get(path) or "").strip()
        if not found:
            raise MetadataUnavailable(f"the metadata service has no {path}")
        return found

    def _get(self, path: str) -> str | None:
        """Text at ``path``, or None where there is none."""
        deadline = self._monotonic() + self._patience_s
        while True:
            try:
                return self._attempt(path)
            except (_NoAnswer, OSError, http.client.HTTPException) as error:
                if self._monotonic() >= deadline:
                    raise MetadataUnavailable(
                        f"no {path} from the metadata service at {self._host}:{self._port} "
                        f"within {self._patience_s:g} s: {error}"
                    ) from error
            self._sleep(_PAUSE_S)

    def _attempt(self, path: str) -> str | None:
        if self._token is None and self._has_tokens:
            self._fetch_token()
        headers = {} if self._token is None else {"X-aws-ec2-metadata-token": self._token}
        status, text = self._exchange("GET", f"/latest/meta-data/{path}", headers)
        if status == HTTPStatus.OK:
            return text
        if status == HTTPStatus.NOT_FOUND:
            return None
        if status == HTTPStatus.UNAUTHORIZED:
            self._token, self._has_tokens = None, True
        raise _NoAnswer(f"HTTP {status}")

    def _fetch_token(self) -> None:
        life = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_LIFE_S)}
        try:
            status, text = self._exchange("PUT", "/latest/api/token", life)
        except TimeoutError:
            # So does a service behind one hop more than a token may travel.
            status, text = HTTPStatus.NOT_FOUND, ""
        if status == HTTPStatus.OK:
            self._token = text.strip()
        elif status in _WITHOUT_TOKENS:
            self._has_tokens = False
        else:
            raise _NoAnswer(f"HTTP {status} to the request for a token")

    def _exchange(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, headers=dict(headers))
            response = connection.getresponse()
            return response.status, response.read(_LONGEST).decode("utf-8", "replace")
        finally:
            connection.close()


def _address(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text.strip()))
    except ValueError as error:
        raise MetadataUnavailable(f"the metadata service's address {text[:80]!r} is no IPv4 address") from error
