"""The host of many VMs as ``main`` function of a process."""

from __future__ import annotations

import asyncio
import random

from elbflow import clock, service
from elbflow_agent import assembly, ipc, meters, vms_page
from elbflow_agent.accesslog import api as accesslog
from elbflow_agent.health import timetable
from elbflow_agent.host import Host, VmState, api, credentials, log_keys
from elbflow_agent.host.vm import VmShared
from elbflow_agent.settings import HostSettings

_STARTS_AT_ONCE = 4


async def host(process: service.Process, settings: HostSettings, token: str) -> None:
    """Run many VMs until the process is told to stop; their HAProxys go on serving."""
    time = clock.SystemClock()
    instruments = meters.Meters(process.registry)
    async with (
        ipc.Server(ipc.unix_socket(settings.agent_redis_socket), time=time, instruments=instruments) as server,
        assembly.workers(process, settings, time=time, instruments=instruments) as workers,
        credentials.opened(settings, process.registry, time) as exchange,
        log_keys.opened(settings, time) as signers,
        accesslog.shipping(
            settings.shipping, time=time, rng=random.SystemRandom(), instruments=instruments, signers=signers
        ) as logs,
    ):
        shared = VmShared(
            run_dir=settings.agent_run_dir,
            binary=settings.agent_haproxy,
            limits=settings.limits,
            removal_grace_s=settings.agent_removal_grace_s,
            server_connections=settings.agent_server_connections,
            first_success=settings.agent_first_success,
            server=server,
            workers=workers,
            time=time,
            rng=random.Random(),  # noqa: S311  # spreads health checks, guards nothing
            instruments=instruments,
            starting=asyncio.Semaphore(_STARTS_AT_ONCE),
            exchange=exchange,
            shipping=logs,
            times=timetable.Timetable(time),
        )
        async with Host(settings.agent_network, shared, stop_soft_s=settings.agent_stop_soft_s) as running:
            api.ControlApi(running, token).add_to(process.app)
            process.add_debug("vms", vms_page.page_of(running.vms))
            process.add_readiness("redis", lambda: None if server.connected else "no connection to Redis")
            process.add_remaining("vms", lambda: sum(vm.state is VmState.RUNNING for vm in running.vms()))
            await process.serve_admin()
            process.ready()
            await process.stopping.wait()
            workers.scheduler.stop()
