"""``elbflow lb`` against a real API, its store and its workflow service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from structlog.testing import capture_logs
from tests.integration.api import conftest

from elbflow import store
from elbflow_standalone import __main__ as command
from elbflow_standalone import credentials, layout, stack_file

KEY = store.AccessKey("000000000000", "secret-of-the-tests", credentials.ACCOUNT)
"""Its id is the account whose workflow domain the API uses."""


class Place(layout.Layout):
    """A layout whose endpoints are those of a test."""

    urls: dict[str, str] = {}  # noqa: RUF012

    @property
    def elb_url(self) -> str:
        return self.urls["elb"]

    @property
    def swf_url(self) -> str:
        return self.urls["swf"]

    @property
    def store_url(self) -> str:
        return self.urls["store"]


@dataclass
class Stack:
    """The API, and the command as a user types it."""

    house: conftest.House
    elb: conftest.Elb
    capsys: pytest.CaptureFixture[str]

    async def run(self, *words: str, status: int = 0) -> str:
        """What the command says; on stderr when it fails."""
        self.capsys.readouterr()
        ended = await asyncio.to_thread(command.main, ["lb", *words])
        said = self.capsys.readouterr()
        assert ended == status, said
        return said.err if status else said.out

    async def json(self, *words: str) -> Any:
        return json.loads(await self.run(*words, "--json"))

    async def create(self, name: str = "web", **more: Any) -> None:
        await self.elb.create(name, **more)


@pytest.fixture
async def stack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stack]:
    for name, value in (conftest.ENVIRONMENT | {"COLUMNS": "200"}).items():
        monkeypatch.setenv(name, value)
    url = f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite'}"
    await store.migrate(url)
    place = Place(tmp_path, 8700)
    content = {"access_key_id": KEY.access_key_id, "secret_access_key": KEY.secret_access_key}
    place.keys_file.write_text(json.dumps({"keys": [content, content]}))
    monkeypatch.setattr(stack_file, "load_layout", lambda _: place)
    monkeypatch.setattr(layout, "REGION", "us-east-1")
    # Log lines of the API, which runs in this process, are no output of the command.
    with capture_logs():
        async with conftest.open_house(url) as house:
            async with house.db.transaction() as tx:
                await tx.access_keys.save(KEY)
            monkeypatch.setattr(
                Place, "urls", {"elb": house.api.url, "swf": str(house.settings.swf_endpoint), "store": url}
            )
            elb = conftest.Elb(house.api.url, KEY.access_key_id, KEY.secret_access_key)
            yield Stack(house, elb, capsys)


async def test_ls(stack: Stack) -> None:
    assert "aws elb create-load-balancer" in await stack.run("ls")
    await stack.create("web", AvailabilityZones=["local-1a", "local-1b"])
    await stack.create("api")
    shown = await stack.run("ls")
    assert [word for line in shown.splitlines() for word in line.split()[:1] if word in ("web", "api")] == [
        "api",
        "web",
    ]
    assert "HTTP 80 to HTTP 8000" in shown
    assert await stack.run("list", "-1") == "api\nweb\n"
    assert [one["LoadBalancerName"] for one in await stack.json("ls")] == ["api", "web"]


async def test_show(stack: Stack) -> None:
    await stack.create("web", Tags=[{"Key": "team", "Value": "blue"}])
    await stack.elb.register_instances_with_load_balancer(
        LoadBalancerName="web", Instances=[{"InstanceId": "10.0.0.1"}]
    )
    shown = await stack.run("show", "WEB")
    for words in ("web (active)", "generation 0 of 2", "nowhere yet", "team=blue", "TCP:8000 every 30 s"):
        assert words in shown
    assert "10.0.0.1 at 10.0.0.1" in shown
    told = await stack.json("show", "web")
    assert (told["state"], told["desired_generation"], told["zones"]) == ("active", 2, ["local-1a"])
    assert told["description"]["Scheme"] == "internet-facing"
    assert told["attributes"]["ConnectionSettings"] == {"IdleTimeout": 60}
    assert told["tags"] == [{"Key": "team", "Value": "blue"}]


async def test_show_names_policies(stack: Stack) -> None:
    await stack.create("web", Listeners=[{"Protocol": "TCP", "LoadBalancerPort": 25, "InstancePort": 2500}])
    await stack.elb.create_load_balancer_policy(
        LoadBalancerName="web",
        PolicyName="proxy",
        PolicyTypeName="ProxyProtocolPolicyType",
        PolicyAttributes=[{"AttributeName": "ProxyProtocol", "AttributeValue": "true"}],
    )
    await stack.elb.set_load_balancer_policies_for_backend_server(
        LoadBalancerName="web", InstancePort=2500, PolicyNames=["proxy"]
    )
    assert "port 2500: proxy" in await stack.run("show", "web")


async def test_show_tells_what_users_of_the_api_do_not_see_yet(stack: Stack) -> None:
    stack.house.shop.hold["web"] = asyncio.Event()
    creating = asyncio.create_task(stack.create("web"))
    await stack.house.first_open("CreateLoadBalancer")
    assert "web (provisioning)" in await stack.run("show", "web")
    assert (await stack.json("show", "web"))["description"] == {}
    stack.house.shop.hold.pop("web").set()
    await creating


async def test_health(stack: Stack) -> None:
    await stack.create("web")
    assert "web has no instances" in await stack.run("health", "web")
    await stack.elb.register_instances_with_load_balancer(
        LoadBalancerName="web", Instances=[{"InstanceId": "10.0.0.1"}]
    )
    shown = await stack.run("health", "web")
    for words in ("10.0.0.1", "OutOfService", "ELB", "registration is still in progress"):
        assert words in shown
    assert [one["State"] for one in await stack.json("health", "web")] == ["OutOfService"]


async def test_events_are_newest_first_and_say_why(stack: Stack) -> None:
    await stack.create("web")
    stack.house.shop.refuse["web"] = "the security group is full"
    with pytest.raises(ClientError):
        await stack.elb.create_load_balancer_listeners(
            LoadBalancerName="web", Listeners=[{"Protocol": "TCP", "LoadBalancerPort": 25, "InstancePort": 25}]
        )
    stack.house.shop.refuse.clear()
    stack.house.shop.hold["web"] = asyncio.Event()
    deleting = asyncio.create_task(stack.elb.delete_load_balancer(LoadBalancerName="web"))
    await stack.house.first_open("DeleteLoadBalancer")
    told = await stack.json("events", "WEB")
    assert [(one["workflow"], one["outcome"], one["reason"]) for one in told] == [
        ("DeleteLoadBalancer", "open", ""),
        ("CreateLoadBalancerListeners", "failed", "the security group is full"),
        ("CreateLoadBalancer", "success", ""),
    ]
    assert told[0]["ended"] is None
    stack.house.shop.hold.pop("web").set()
    await deleting
    shown = await stack.run("events", "web", "--limit", "2")
    assert "DeleteLoadBalancer" in shown
    assert "the security group is full" in shown
    assert shown.count("success") == 1


async def test_events_of_executions_that_answered_nothing(stack: Stack) -> None:
    stack.house.shop.hold["web"] = asyncio.Event()
    creating = asyncio.create_task(stack.create("web"))
    workflow_id = await stack.house.first_open("CreateLoadBalancer")
    await stack.house.swf.terminate_workflow_execution("LoadbalancingDomain", workflow_id, reason="by hand")
    with pytest.raises(ClientError):
        await creating
    stack.house.shop.hold.pop("web").set()
    told = await stack.json("events", "web")
    assert ("terminated", "by hand") in [(one["outcome"], one["reason"]) for one in told]


async def test_what_is_not_there(stack: Stack) -> None:
    for action in ("show", "health"):
        assert "there is no load balancer 'web'; see: elbflow lb ls" in await stack.run(action, "web", status=1)


async def test_a_stack_that_does_not_answer(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Place, "urls", Place.urls | {"elb": "http://127.0.0.1:9"})
    assert "Is the stack running? elbflow status" in await stack.run("ls", status=1)


async def test_a_refusal_is_one_sentence(stack: Stack) -> None:
    async with stack.house.db.transaction() as tx:
        await tx.access_keys.save(store.AccessKey(KEY.access_key_id, "another", KEY.account))
    said = await stack.run("ls", status=1)
    assert "(SignatureDoesNotMatch)" in said
    assert len(said.splitlines()) == 1
