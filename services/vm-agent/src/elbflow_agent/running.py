"""The agent of one VM as ``main`` function of a process, and the end of what agents left serving."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
from pathlib import Path

from elbflow import clock, service
from elbflow.contract import document
from elbflow_agent import assembly, firewall, ipc, meters, supervision, vms_page
from elbflow_agent.accesslog import api as accesslog
from elbflow_agent.certificates import opening, private
from elbflow_agent.haproxy import master, place
from elbflow_agent.servo import Servo, ServoOptions
from elbflow_agent.settings import VmSettings

_STOPS_AT_ONCE = 20
_LAST_LOGS_S = 3.0


async def vm(process: service.Process, settings: VmSettings) -> None:
    """Run one VM, or one of its two halves, until the process is told to stop."""
    time = clock.SystemClock()
    instruments = meters.Meters(process.registry)
    if settings.agent_firewall_state is not None:
        instruments.firewall_missing.set_function(functools.partial(firewall.is_missing, settings.agent_firewall_state))
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(supervision.watched(settings.agent_stall_s))
        if settings.agent_role in ("servo", "both"):
            server = await stack.enter_async_context(
                ipc.Server(ipc.unix_socket(settings.agent_redis_socket), time=time, instruments=instruments)
            )
            source = await stack.enter_async_context(opening.of_vm(settings, process.registry, time))
            logs = await stack.enter_async_context(
                accesslog.shipping(
                    settings.shipping,
                    time=time,
                    rng=random.SystemRandom(),
                    instruments=instruments,
                    last_s=_LAST_LOGS_S,
                )
            )
            servo = await stack.enter_async_context(_servo(settings, time, instruments, source, logs))
            await server.add(settings.agent_instance_id, assembly.handlers(servo, settings.agent_account))
            process.add_debug("vms", vms_page.page_of(lambda: [_told(settings, servo)]))
            process.add_readiness("redis", lambda: None if server.connected else "no connection to Redis")
        await process.serve_admin()
        if settings.agent_role != "worker":
            supervision.ready()  # what it remembers is served, whether or not SWF can be reached
        if settings.agent_role == "servo":
            process.ready()
            await process.stopping.wait()
            return
        workers = await stack.enter_async_context(
            assembly.workers(process, settings, time=time, instruments=instruments)
        )
        await workers.serve(settings.agent_instance_id, process.stopping, lambda problem: _tell(process, problem))
        workers.scheduler.stop()


async def stop_data_plane(run_dir: Path, binary: str, *, soft_s: float) -> int:
    """Stop every HAProxy that a host left running in ``run_dir``, and remove its keys; how many there were.

    VMs that are started again get theirs from IAM, as after a power cut. Keys in a chosen directory stay.
    """
    slots = asyncio.Semaphore(_STOPS_AT_ONCE)

    async def stop(directory: Path) -> bool:
        async with slots:
            one = master.Master(place.Place(directory), binary=binary, time=clock.SystemClock())
            found = await one.adopt()
            await one.stop(soft_s=soft_s)
            return found is not None

    def directories() -> list[Path]:
        return sorted(path.parent for path in run_dir.glob("*/haproxy.cfg"))

    stopped = sum(await asyncio.gather(*(stop(path) for path in await asyncio.to_thread(directories))))
    await asyncio.to_thread(private.forget, run_dir)
    return stopped


def _servo(
    settings: VmSettings,
    time: clock.Clock,
    instruments: meters.Meters,
    certificates: opening.VmCertificates | None,
    logs: accesslog.Shipping,
) -> Servo:
    owner = None
    if settings.agent_account is not None and settings.agent_load_balancer is not None:
        owner = document.LoadBalancerKey(settings.agent_account, settings.agent_load_balancer)
    options = ServoOptions(
        address=str(settings.agent_address),
        more_addresses=settings.agent_more_addresses,
        any_pair=settings.agent_any_pair,
        directory=settings.agent_run_dir / settings.agent_instance_id,
        binary=settings.agent_haproxy,
        owner=owner,
        limits=settings.limits,
        removal_grace_s=settings.agent_removal_grace_s,
        server_connections=settings.agent_server_connections,
        first_success=settings.agent_first_success,
        key_directory=certificates.key_directory if certificates is not None else None,
        publish_s=_LAST_LOGS_S,
    )
    return Servo(
        options,
        time=time,
        rng=random.Random(),  # noqa: S311  # spreads health checks, guards nothing
        instruments=instruments,
        certificates=certificates.source if certificates is not None else None,
        shipping=logs,
    )


def _told(settings: VmSettings, servo: Servo) -> dict[str, object]:
    return {
        "instance_id": settings.agent_instance_id,
        "address": str(settings.agent_address),
        "more_addresses": settings.agent_more_addresses,
        "servo": servo.statistics(),
    }


def _tell(process: service.Process, problem: str | None) -> None:
    if problem is None:
        process.ready()
        supervision.ready()
    else:
        process.not_ready(f"SWF: {problem}")
