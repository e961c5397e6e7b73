"""Stickiness that follows an application's cookie, as AWS has it, through a real HAProxy (spec/vm-agent 3.4)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.integration.agent.applications import Application
from tests.integration.agent.conftest import free_port, get

from elbflow_agent.haproxy import apply, model, place

READY, MAINT = model.Admin.READY, model.Admin.MAINT
POLICY = model.AppStickiness("ab" * 16, "SES.ID")
LOGIN = (
    "Set-Cookie: other=1; Max-Age=5\r\n"
    "Set-Cookie: SES.ID=x; Path=/app; expires=Wed, 21 Oct 2026 07:28:00 GMT; SameSite=Lax; Max-Age=77\r\n"
    "Set-Cookie: last=2\r\n"
)
HEADERS = {"/login": LOGIN, "/logout": "Set-Cookie: SES.ID=; Max-Age=0\r\n"}


@pytest.fixture
async def applications() -> AsyncIterator[list[Application]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Application(f"i-{number}", HEADERS)) for number in (1, 2, 3)]


def wanted(address: str, port: int, *members: Application, **admins: model.Admin) -> model.Model:
    servers = tuple(
        model.Server(each.name, "127.0.0.1", each.port, admins.get(each.name.replace("-", ""), READY))
        for each in members
    )
    return model.Model(address, listeners=(model.Listener(port, model.Mode.HTTP, stickiness=POLICY, servers=servers),))


async def ask(address: str, port: int, path: str, *cookies: str) -> tuple[str, str | None, str | None]:
    """Who answered, the AWSELB cookie that was set, and Cache-Control."""
    extra = f"Cookie: {'; '.join(cookies)}\r\n" if cookies else ""
    status, headers, body = await get(address, port, path, extra)
    assert status == "200"
    # The last of several Set-Cookie lines is what HAProxy added.
    cookie = headers.get("set-cookie", "")
    return body, cookie if cookie.startswith("AWSELB=") else None, headers.get("cache-control")


async def test_it_is_bound_when_the_application_sets_its_cookie(
    applier: apply.Applier, address: str, applications: list[Application]
) -> None:
    port = free_port(address)
    await applier.converge(wanted(address, port, *applications), drain_s=0)
    assert (await ask(address, port, "/"))[1:] == (None, None)
    name, cookie, cached = await ask(address, port, "/login")
    value = POLICY.value(name)
    assert cookie == f"AWSELB={value}; Path=/; expires=Wed, 21 Oct 2026 07:28:00 GMT; Max-Age=77; HttpOnly"
    assert cached == 'no-cache="set-cookie"'
    for _ in range(6):
        assert await ask(address, port, "/", f"AWSELB={value}", "SES.ID=x") == (name, None, None)
    # Without the application's cookie there is no session any more, and nothing is set anew.
    alone = [await ask(address, port, "/", f"AWSELB={value}") for _ in range(6)]
    assert len({who for who, _, _ in alone}) == 3
    assert {cookie for _, cookie, _ in alone} == {None}
    # The application ends the session: the load balancer's cookie ends with it.
    _, cookie, _ = await ask(address, port, "/logout", f"AWSELB={value}", "SES.ID=x")
    assert cookie == f"AWSELB={value}; Path=/; Max-Age=0; HttpOnly"
    # One that was never bound stays so until the application sets its cookie again.
    assert (await ask(address, port, "/", "SES.ID=x"))[1] is None


async def test_another_server_takes_over_for_good(
    applier: apply.Applier, address: str, applications: list[Application]
) -> None:
    port = free_port(address)
    await applier.converge(wanted(address, port, *applications), drain_s=0)
    bound = f"AWSELB={POLICY.value('i-1')}"
    await applier.converge(wanted(address, port, *applications, i1=MAINT), drain_s=0)
    name, cookie, _ = await ask(address, port, "/", bound, "SES.ID=x")
    assert name != "i-1"
    assert cookie == f"AWSELB={POLICY.value(name)}; Path=/; HttpOnly"
    await applier.converge(wanted(address, port, *applications), drain_s=0)
    assert {(await ask(address, port, "/", cookie.split(";")[0], "SES.ID=x"))[0] for _ in range(6)} == {name}
    # A server that has left for good, and a value that never was.
    await applier.converge(wanted(address, port, *applications[1:]), drain_s=0)
    for known in (bound, "AWSELB=nonsense"):
        name, cookie, _ = await ask(address, port, "/", known, "SES.ID=x")
        assert cookie is not None
        assert cookie.startswith(f"AWSELB={POLICY.value(name)};")


async def test_servers_that_join_at_run_time_and_a_new_agent(
    applier: apply.Applier, address: str, applications: list[Application], where: place.Place
) -> None:
    port = free_port(address)
    await applier.converge(wanted(address, port, applications[0]), drain_s=0)
    first = await applier.converge(wanted(address, port, *applications), drain_s=0)
    assert not first.restructured
    for name in ("i-1", "i-2", "i-3"):
        cookies = (f"AWSELB={POLICY.value(name)}", "SES.ID=x")
        assert {(await ask(address, port, "/", *cookies))[0] for _ in range(4)} == {name}
    # A reload reads the file, which has been kept.
    slower = replace(wanted(address, port, *applications), idle_timeout_s=50)
    assert (await applier.converge(slower, drain_s=0)).restructured
    cookies = (f"AWSELB={POLICY.value('i-3')}", "SES.ID=x")
    assert {(await ask(address, port, "/", *cookies))[0] for _ in range(4)} == {"i-3"}
    assert where.routes.stat().st_mode & 0o777 == 0o600
