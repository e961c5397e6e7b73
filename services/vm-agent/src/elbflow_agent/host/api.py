"""The host's control API on the admin server: what a hypervisor is to a real cloud.

``PUT /vms/{instance_id}`` with ``{"zone", "account", "load_balancer"}`` launches or finds a VM, ``GET /vms`` and
``GET /vms/{instance_id}`` show, ``DELETE /vms/{instance_id}`` ends one or finds it ended: it accepts no connection any
more then, and is shown as ``draining`` until those that it has are finished.
``POST /vms/{instance_id}/plan`` with a load-balancer document tells what applying it would change, and changes nothing.
``POST /vms/{instance_id}/certificates`` has it see at once whether IAM has others for it, as it does every few hours.
Every call carries the bearer token; everything may be repeated.
"""

from __future__ import annotations

import functools
import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeAlias

import orjson
import pydantic
from aiohttp import web

from elbflow import errors
from elbflow.contract import document
from elbflow_agent.host.host import Host, VmConflict
from elbflow_agent.host.vm import VmView

_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]
_LONGEST_NAME = 255
_DOCUMENT = pydantic.TypeAdapter(document.LoadBalancerDocument)


class Launch(pydantic.BaseModel):
    """Body of PUT."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    zone: str = pydantic.Field(min_length=1, max_length=_LONGEST_NAME)
    account: str = pydantic.Field(pattern=r"^[0-9]{12}$")
    load_balancer: str = pydantic.Field(min_length=1, max_length=_LONGEST_NAME)


class ControlApi:
    """Routes of one host."""

    def __init__(self, host: Host, token: str) -> None:
        self._host = host
        self._expected = f"Bearer {token}".encode()

    def add_to(self, app: web.Application) -> None:
        """Add the routes to the admin application."""
        routes: tuple[tuple[str, str, _Handler], ...] = (
            ("GET", "/vms", self._list),
            ("GET", "/vms/{instance_id}", self._show),
            ("PUT", "/vms/{instance_id}", self._put),
            ("POST", "/vms/{instance_id}/plan", self._plan),
            ("POST", "/vms/{instance_id}/certificates", self._certificates),
            ("DELETE", "/vms/{instance_id}", self._delete),
        )
        for method, path, handler in routes:
            app.router.add_route(method, path, self._guarded(handler))

    def _guarded(self, handler: _Handler) -> _Handler:
        @functools.wraps(handler)
        async def answer(request: web.Request) -> web.Response:
            given = request.headers.get("Authorization", "").encode(errors="replace")
            if not hmac.compare_digest(given, self._expected):
                return _problem(HTTPStatus.UNAUTHORIZED, "a valid bearer token is required")
            try:
                return await handler(request)
            except VmConflict as error:
                return _problem(HTTPStatus.CONFLICT, str(error))
            except errors.Permanent as error:
                return _problem(HTTPStatus.BAD_REQUEST, str(error))
            except errors.Retryable as error:
                return _problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

        return answer

    async def _list(self, _: web.Request) -> web.Response:
        return _json([_summary(view) for view in self._host.vms()])

    async def _show(self, request: web.Request) -> web.Response:
        view = self._host.vm(request.match_info["instance_id"])
        if view is None:
            return _problem(HTTPStatus.NOT_FOUND, "no such VM")
        return _json({**_summary(view), "servo": view.servo})

    async def _put(self, request: web.Request) -> web.Response:
        try:
            launch = Launch.model_validate_json(await request.read())
        except pydantic.ValidationError as error:
            fields = ", ".join(".".join(map(str, each["loc"])) or "body" for each in error.errors())
            return _problem(HTTPStatus.BAD_REQUEST, f"invalid: {fields}")
        view = await self._host.put(
            request.match_info["instance_id"],
            zone=launch.zone,
            account=launch.account,
            load_balancer=launch.load_balancer,
        )
        return _json(_summary(view))

    async def _plan(self, request: web.Request) -> web.Response:
        try:
            wanted = _DOCUMENT.validate_json(await request.read())
        except pydantic.ValidationError as error:
            return _problem(HTTPStatus.BAD_REQUEST, f"invalid document: {error.error_count()} errors")
        told = await self._host.preview(request.match_info["instance_id"], wanted)
        return _json(told) if told is not None else _problem(HTTPStatus.NOT_FOUND, "no such VM")

    async def _certificates(self, request: web.Request) -> web.Response:
        if not self._host.look_at_certificates(request.match_info["instance_id"]):
            return _problem(HTTPStatus.NOT_FOUND, "no such VM")
        return _json({}, HTTPStatus.ACCEPTED)

    async def _delete(self, request: web.Request) -> web.Response:
        instance_id = request.match_info["instance_id"]
        await self._host.delete(instance_id)
        left = self._host.vm(instance_id)
        return _json({"instance_id": instance_id, "state": "terminated" if left is None else left.state.value})


def _summary(view: VmView) -> dict[str, str]:
    record = view.record
    return {
        "instance_id": record.instance_id,
        "address": record.address,
        "zone": record.zone,
        "account": record.account,
        "load_balancer": record.load_balancer,
        "state": view.state.value,
    }


def _json(value: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    body = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    return web.Response(body=body, status=status, content_type="application/json")


def _problem(status: HTTPStatus, message: str) -> web.Response:
    return _json({"error": message}, status)
