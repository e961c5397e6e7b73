"""The engine behind real HTTP in a thread of its own, so that blocking clients can be used as their users use them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import boto3
import botocore.config

from elbflow_engine import embedded

DOMAIN = "house"
TYPE = {"name": "greet", "version": "1"}
LIST = {"name": "main"}
ACCESS_KEY = "111122223333"
WORKFLOW_DEFAULTS = {
    "defaultTaskList": LIST,
    "defaultTaskStartToCloseTimeout": "30",
    "defaultExecutionStartToCloseTimeout": "300",
    "defaultChildPolicy": "TERMINATE",
}
ACTIVITY_DEFAULTS = {
    "defaultTaskList": {"name": "work"},
    "defaultTaskScheduleToStartTimeout": "NONE",
    "defaultTaskScheduleToCloseTimeout": "NONE",
    "defaultTaskStartToCloseTimeout": "60",
    "defaultTaskHeartbeatTimeout": "NONE",
}


@contextlib.contextmanager
def engine(**options: Any) -> Iterator[str]:
    """An embedded engine; yields its URL. ``options`` are those of :func:`embedded.engine`."""
    url: Future[str] = Future()
    stop: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        leave = asyncio.Event()
        async with embedded.engine(**options) as endpoint:
            stop.set_result((asyncio.get_running_loop(), leave))
            url.set_result(endpoint)
            await leave.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if not url.done():
                url.set_exception(error)
            raise

    thread = threading.Thread(target=run, name="engine")
    thread.start()
    try:
        yield url.result(timeout=20)
        loop, leave = stop.result()
        loop.call_soon_threadsafe(leave.set)
    finally:
        thread.join(timeout=20)
    assert not thread.is_alive()


def client(url: str, access_key: str = ACCESS_KEY, secret: str = "x", **config: Any) -> Any:
    """boto3 as a user makes it; ``config`` goes into its Config only when something is given."""
    given = {"config": botocore.config.Config(**config)} if config else {}
    return boto3.client(
        "swf",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        **given,
    )


def furnish(swf: Any, domain: str = DOMAIN) -> None:
    """A domain with a workflow type and an activity type that have every default."""
    swf.register_domain(name=domain, workflowExecutionRetentionPeriodInDays="1")
    swf.register_workflow_type(domain=domain, **TYPE, **WORKFLOW_DEFAULTS)
    swf.register_activity_type(domain=domain, **TYPE, **ACTIVITY_DEFAULTS)
