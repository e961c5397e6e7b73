"""What a service's main gets in hand: readiness, metrics, the admin application, and the wish to stop."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import platform
from collections.abc import Callable
from types import TracebackType

import prometheus_client
import structlog
from aiohttp import web
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from elbflow import tasks
from elbflow.service import admin, debug, interpreter, loopwatch, memory, readiness
from elbflow.service.settings import ServiceSettings

log = structlog.get_logger()

DISTRIBUTION = "elbflow"
FIRST_WORK_S = 30.0
"""After so long most services have done each of their works once, and hold what only the first time needed."""


def _version() -> str:
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "source"


VERSION = _version()


async def _give_back() -> None:
    """Twice: what starting needed, and what the first works did."""
    await asyncio.to_thread(memory.give_back)
    await asyncio.sleep(FIRST_WORK_S)
    await asyncio.to_thread(memory.give_back)


class Process:
    """The running process. :func:`elbflow.service.run` makes one; tests may use it as an async context manager.

    ``registry`` holds the process's metrics, ``app`` the admin application (add routes before :meth:`serve_admin`).
    ``stopping`` is set by the first SIGTERM or SIGINT: take no new work, finish what runs, return from main.
    ``aborting`` is set by the second: cancel what runs, answer it, return.
    """

    def __init__(self, settings: ServiceSettings, name: str) -> None:
        self.settings = settings
        self.name = name
        self.registry = prometheus_client.CollectorRegistry()
        self.stopping = asyncio.Event()
        self.aborting = asyncio.Event()
        self._readiness = readiness.Readiness()
        self._watch = loopwatch.LoopWatch(self.registry, settings.max_loop_lag_s)
        self._gc_pauses = interpreter.GcPauses()
        self._admin = admin.AdminServer(self.registry, self._watch.problem, self._readiness.reasons)
        self._remaining: dict[str, Callable[[], int]] = {}
        self._exit = contextlib.AsyncExitStack()
        self._frozen = False
        self._supervisor: tasks.Supervisor | None = None
        self._register_metrics()

    @property
    def app(self) -> web.Application:
        return self._admin.app

    async def __aenter__(self) -> Process:
        self._supervisor = tasks.Supervisor()
        self._exit.callback(self._supervisor.cancel)
        self._gc_pauses.install()
        self._exit.callback(self._gc_pauses.uninstall)
        await self._exit.enter_async_context(self._watch)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit.aclose()

    async def serve_admin(self) -> str:
        """Start the admin server at the configured address; return its base URL. Raises ``OSError``."""
        self._exit.push_async_callback(self._admin.close)
        url = await self._admin.start(self.settings.service_host, self.settings.service_port)
        log.info("admin_serving", url=url)
        return url

    def ready(self) -> None:
        """Start-up is over: ``/readyz`` may answer 200. The first call also freezes start-up's objects."""
        if not self._frozen and not self.stopping.is_set():
            self._frozen = True
            interpreter.freeze()
            if self._supervisor is not None:
                self._supervisor.start(_give_back(), "memory-give-back")
        self._readiness.declare(None)

    @property
    def was_ready(self) -> bool:
        """Whether start-up got to its end."""
        return self._frozen

    def not_ready(self, reason: str) -> None:
        """``/readyz`` answers 503 with this reason until :meth:`ready` is called again."""
        self._readiness.declare(reason)

    def add_readiness(self, name: str, check: readiness.Check) -> None:
        """Let ``/readyz`` ask ``check`` too: None is fine, a string is the reason. It must not block."""
        self._readiness.add(name, check)

    def add_debug(self, name: str, page: debug.Page) -> None:
        """Serve ``page`` to this machine as ``/debug/<name>`` of the admin server; at any time."""
        self._admin.debug.add(name, page)

    def add_remaining(self, name: str, count: Callable[[], int]) -> None:
        """Tell what a drain waits for (parked polls, running tasks); logged when a drain starts and is cut off."""
        self._remaining[name] = count

    def remaining(self) -> dict[str, int]:
        """What a drain still has to wait for, by name; zeros are left out."""
        counts = {name: count() for name, count in self._remaining.items()}
        return {name: count for name, count in counts.items() if count}

    def request_stop(self, source: str) -> None:
        """First call: drain. Second call: abort. What signals do; a service may call it to end itself."""
        if not self.stopping.is_set():
            self._readiness.drain()
            self.stopping.set()
            log.info("stopping", source=source, remaining=self.remaining())
        elif not self.aborting.is_set():
            self.aborting.set()
            log.warning("aborting", source=source, remaining=self.remaining())

    def _register_metrics(self) -> None:
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(self._gc_pauses)
        build = prometheus_client.Info("elbflow_build", "What is running", registry=self.registry)
        build.info({"service": self.name, "version": VERSION, "python": platform.python_version()})
