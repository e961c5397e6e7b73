"""A real API before a real engine and a real store, with a client as users have it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import prometheus_client
import pytest
import structlog
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.integration import postgresql
from tests.integration.api.shop import Shop, workers

from elbflow import flow, store, swf
from elbflow.contract import document, names, workflows
from elbflow_api import orders, running, settings
from elbflow_engine import embedded

SQLITE, POSTGRESQL = "sqlite", "postgresql"
BOTH = (SQLITE, POSTGRESQL)

ACCOUNT = "123456789012"
KEY = store.AccessKey("AKIAELBFLOWTESTS0001", "secret-of-the-tests", ACCOUNT)
OTHER_KEY = store.AccessKey("AKIAELBFLOWTESTS0002", "secret-of-others", "210987654321")
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "000000000000",
    "AWS_SECRET_ACCESS_KEY": "unused",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""Keys for the SWF client; nothing of the machine's own configuration is read."""


@functools.cache
def _session() -> Any:
    return boto3.session.Session()


def code(caught: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    """Code and HTTP status of a refusal."""
    answer: Any = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


class Elb:
    """boto3's client, called from the loop without blocking it."""

    def __init__(
        self, url: str, access_key_id: str, secret: str, token: str | None = None, *, region: str = "us-east-1"
    ) -> None:
        self.url = url
        self.boto: Any = _session().client(
            "elb",
            endpoint_url=url,
            region_name=region,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(
                retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=30, parameter_validation=False
            ),
        )

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return functools.partial(asyncio.to_thread, getattr(self.boto, name))

    async def create(self, name: str = "web", **more: Any) -> Any:
        listeners = [{"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8000}]
        given = {"Listeners": listeners, "AvailabilityZones": ["local-1a"]} | more
        return await self.create_load_balancer(LoadBalancerName=name, **given)

    async def describe(self, name: str = "web") -> Any:
        answer = await self.describe_load_balancers(LoadBalancerNames=[name])
        return answer["LoadBalancerDescriptions"][0]


@dataclass
class House:
    """What a test may look at and turn."""

    api: running.Api
    db: store.Store
    swf: swf.Client
    shop: Shop
    elb: Elb
    settings: settings.ApiSettings
    stopping: asyncio.Event
    registry: prometheus_client.CollectorRegistry

    async def rows(self) -> int:
        """Undelivered orders."""
        async with self.db.reading() as tx:
            return await tx.outbox.size()

    async def settled(self) -> None:
        """Wait until every order is delivered."""
        async with asyncio.timeout(10):
            while await self.rows():
                await asyncio.sleep(0.02)

    async def first_open(self, type_name: str) -> str:
        """Workflow id of the first open execution of a type, as soon as there is one."""
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(swf.UnknownResource):
                    for info in await self.swf.list_open_workflow_executions(names.DOMAIN):
                        if info.workflow_type.name == type_name:
                            return info.execution.workflow_id
                await asyncio.sleep(0.02)

    async def load_balancer(self, name: str) -> store.LoadBalancer | None:
        async with self.db.reading() as tx:
            return await tx.load_balancers.find(document.LoadBalancerKey(ACCOUNT, name))

    async def generation(self, name: str) -> int:
        found = await self.load_balancer(name)
        assert found is not None
        return found.generation

    async def until_gone(self, name: str) -> None:
        async with asyncio.timeout(10):
            while await self.load_balancer(name) is not None:
                await asyncio.sleep(0.02)

    @contextlib.asynccontextmanager
    async def another_api(self) -> AsyncIterator[str]:
        """A second API on the same store and the same SWF; yields its URL."""
        async with running.api(self.settings, self.swf) as api:
            yield api.url

    async def start_update(self, name: str = "web") -> None:
        """Start the load balancer's UpdateLoadBalancer execution, which takes the signals."""
        key = document.LoadBalancerKey(ACCOUNT, name)
        client = flow.Client(self.swf, names.DOMAIN, names.TASK_LIST)
        await client.start(
            workflows.UPDATE_LOAD_BALANCER, names.update_workflow_id(key), workflows.LoadBalancerInput(key)
        )

    async def pushed(self, name: str = "web") -> list[int]:
        """The generations that the load balancer's update workflow was asked for."""
        await self.settled()
        workflow_id = names.update_workflow_id(document.LoadBalancerKey(ACCOUNT, name))
        (info,) = await self.swf.list_open_workflow_executions(names.DOMAIN, workflow_id=workflow_id)
        events = await self.swf.get_workflow_execution_history(names.DOMAIN, info.execution)
        return [int(str(one.attributes["input"])) for one in events if one.type == "WorkflowExecutionSignaled"]

    async def abandon_order(self, name: str, *, port: int) -> None:
        """Commit a change as an API does that dies right after: its order is only in the store, and old."""
        async with self.db.transaction() as tx:
            lb = await tx.load_balancers.get(document.LoadBalancerKey(ACCOUNT, name))
            listener = document.Listener(document.Protocol.TCP, port, document.Protocol.TCP, port)
            await tx.load_balancers.add_listeners(lb.id, [listener])
            generation = await tx.load_balancers.bump_generation(lb.id)
            await orders.start(
                tx,
                workflows.CREATE_LISTENERS,
                orders.mutation_workflow_id("create-listeners", lb.key, generation),
                lb.key,
                workflows.ListenersInput(lb.key, (port,)),
                now=time.time() - 60,
            )


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated store to copy."""
    path = tmp_path_factory.mktemp("empty") / "store.sqlite"
    asyncio.run(store.migrate(f"sqlite+aiosqlite:///{path}"))
    return path


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module that says ``DATABASES = BOTH`` runs on PostgreSQL too; what storage has no part in runs once."""
    if "database" in metafunc.fixturenames:
        chosen: tuple[str, ...] = getattr(metafunc.module, "DATABASES", (SQLITE,))
        metafunc.parametrize("database", chosen, indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> postgresql.Server | None:
    """The server to keep the store on; None for a file."""
    if request.param == SQLITE:
        return None
    server: postgresql.Server = request.getfixturevalue("postgresql_server")
    return server


@pytest.fixture
async def store_url(database: postgresql.Server | None, empty_store: Path, tmp_path: Path) -> str:
    """A migrated and empty store."""
    if database is not None:
        return await database.emptied_database()
    path = tmp_path / "store.sqlite"
    shutil.copy(empty_store, path)
    return f"sqlite+aiosqlite:///{path}"


@contextlib.asynccontextmanager
async def open_house(store_url: str, *, working: bool = True, **chosen: Any) -> AsyncIterator[House]:
    registry, stopping = prometheus_client.CollectorRegistry(), asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(embedded.engine(hold_s=5.0))
        client_settings = swf.ClientSettings(endpoint_url=endpoint, poll_connections=64)
        client = await stack.enter_async_context(swf.Client.open(client_settings))
        db = await stack.enter_async_context(store.Store(store_url))
        async with db.transaction() as tx:
            await tx.access_keys.save(KEY)
            await tx.access_keys.save(OTHER_KEY)
        shop = Shop(db)
        if working:
            await stack.enter_async_context(workers(client, shop))
        given = settings.ApiSettings(store_url=store_url, swf_endpoint=endpoint, **chosen)
        api = await stack.enter_async_context(running.api(given, client, registry=registry, stopping=stopping))
        stack.callback(stopping.set)
        elb = Elb(api.url, KEY.access_key_id, KEY.secret_access_key)
        yield House(api, db, client, shop, elb, given, stopping, registry)


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """Log lines without the sources of their tracebacks: reading those would block the loop."""
    before = structlog.get_config()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(),
        ]
    )
    yield
    structlog.configure(**before)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def house(store_url: str) -> AsyncIterator[House]:
    async with open_house(store_url) as opened:
        yield opened


@pytest.fixture
def elb(house: House) -> Elb:
    return house.elb
