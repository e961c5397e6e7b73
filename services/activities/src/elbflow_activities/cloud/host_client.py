"""The agent host's HTTP API: where the local cloud's VMs run (design section 7).

``PUT /vms/{instance_id}`` launches or finds, ``GET`` shows, ``DELETE`` ends or finds ended; ``GET /vms`` lists all.
All of it may be repeated, so transient failures are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Self

import aiohttp
import pydantic
import stamina

from elbflow import errors
from elbflow.contract import document
from elbflow_activities.cloud import base

ATTEMPTS = 3
REQUEST_TIMEOUT_S = 20.0
ALL_ATTEMPTS_TIMEOUT_S = 25.0


class HostRefused(errors.Permanent):
    """The agent host does not accept the request."""


class HostVm(pydantic.BaseModel):
    """A VM as the host shows it; members this client does not need are ignored."""

    model_config = pydantic.ConfigDict(frozen=True)

    instance_id: str
    address: str
    zone: str
    state: str


_ONE = pydantic.TypeAdapter(HostVm)
_MANY = pydantic.TypeAdapter(list[HostVm])


class HostClient:
    """Talks to one agent host. Raises :class:`base.CloudUnavailable` and :class:`HostRefused`."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, token: str) -> AsyncIterator[Self]:
        """A client until the block ends. ``token`` is the host's bearer token; empty sends none."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            yield cls(session, url)

    async def launch(self, instance_id: str, *, zone: str, key: document.LoadBalancerKey) -> HostVm:
        """Launch the VM, or find it running. Cancelled, the VM may have been launched."""
        body = {"zone": zone, "account": key.account, "load_balancer": key.name}
        return _ONE.validate_json(await self._request("PUT", f"/vms/{instance_id}", body))

    async def vms(self) -> dict[str, HostVm]:
        """All VMs of the host by instance id."""
        answer = await self._request("GET", "/vms")
        return {vm.instance_id: vm for vm in _MANY.validate_json(answer)}

    async def vm(self, instance_id: str) -> HostVm | None:
        """One VM, or None when the host has no such VM."""
        answer = await self._request("GET", f"/vms/{instance_id}", gone_is_fine=True)
        return _ONE.validate_json(answer) if answer else None

    async def terminate(self, instance_id: str) -> None:
        """Terminate the VM; one that is not there is fine. Cancelled, it may have been terminated."""
        await self._request("DELETE", f"/vms/{instance_id}", gone_is_fine=True)

    async def _request(
        self, method: str, path: str, body: dict[str, str] | None = None, *, gone_is_fine: bool = False
    ) -> bytes:
        async for attempt in stamina.retry_context(
            on=base.CloudUnavailable,
            attempts=ATTEMPTS,
            timeout=ALL_ATTEMPTS_TIMEOUT_S,
            wait_initial=0.2,
            wait_max=2.0,
            wait_jitter=0.2,
        ):
            with attempt:
                return await self._once(method, path, body, gone_is_fine=gone_is_fine)
        raise errors.Defect("the retries ended without an answer")

    async def _once(self, method: str, path: str, body: dict[str, str] | None, *, gone_is_fine: bool) -> bytes:
        try:
            async with self._session.request(method, self._url + path, json=body) as answer:
                content = await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise base.CloudUnavailable(f"the agent host does not answer {method} {path}: {error!r}") from error
        if gone_is_fine and status == HTTPStatus.NOT_FOUND:
            return b""
        if status < HTTPStatus.BAD_REQUEST:
            return content
        message = f"the agent host answered {status} to {method} {path}: {content[:200].decode(errors='replace')}"
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            raise base.CloudUnavailable(message)
        raise HostRefused(message)
