"""kill -9 of every process in turn: everything converges, and what need not stop does not stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.e2e.stacks import RunningStack, eventually, until

from elbflow_standalone.demo import leftovers, traffic

pytestmark = pytest.mark.usefixtures("may_block")  # helpers that talk to the stack from the test's own loop

PROGRAMS = ("api", "engine", "decider", "activities", "agent", "redis")
NAME = "steady"


@pytest.mark.timeout(240)
async def test_traffic_never_stops_when_any_process_is_killed(stack: RunningStack) -> None:
    """Each program is killed while 10 keep-alive clients run; afterwards changes must still be realised."""
    await asyncio.to_thread(stack.create, NAME)
    backend = await asyncio.to_thread(stack.add_instance, "i-steady", 1)
    await backend.start()
    elb = stack.elb()
    try:
        elb.register_instances_with_load_balancer(LoadBalancerName=NAME, Instances=[{"InstanceId": "i-steady"}])
        await asyncio.to_thread(stack.in_service, NAME, "i-steady")
        address, _ = await asyncio.to_thread(stack.wait_served, NAME)
        async with traffic.flowing(address, 8080, clients=10) as tally:
            for number, program in enumerate(PROGRAMS):
                old_pid = stack.kill(program)
                await asyncio.to_thread(stack.wait_for_restart, program, old_pid)
                await asyncio.to_thread(_change_idle_timeout, stack, 100 + number)
                await asyncio.to_thread(stack.wait_served, NAME, 60)
        assert tally.failures == []
        assert tally.requests > 1000
    finally:
        await backend.stop()
        await asyncio.to_thread(elb.delete_load_balancer, LoadBalancerName=NAME)


def _change_idle_timeout(stack: RunningStack, seconds: int) -> None:
    stack.elb().modify_load_balancer_attributes(
        LoadBalancerName=NAME, LoadBalancerAttributes={"ConnectionSettings": {"IdleTimeout": seconds}}
    )


@pytest.mark.timeout(120)
async def test_haproxy_killed_comes_back_with_the_same_configuration(stack: RunningStack) -> None:
    """Both the worker and the master may die; the agent restores what was served."""
    await asyncio.to_thread(stack.create, "phoenix", 8090)
    try:
        address, _ = await asyncio.to_thread(stack.wait_served, "phoenix")
        for pid in leftovers.haproxies(stack.where.agent_dir):
            with contextlib.suppress(ProcessLookupError):  # the worker may have gone with its master
                os.kill(pid, signal.SIGKILL)
        await until(lambda: asyncio.run(leftovers.accepts(address, 8090)), 30, "the listener back")
    finally:
        await asyncio.to_thread(stack.elb().delete_load_balancer, LoadBalancerName="phoenix")


@pytest.mark.timeout(300)
def test_creation_converges_when_any_process_is_killed_during_it(stack: RunningStack) -> None:
    """One load balancer per program: kill it mid-creation, then expect the load balancer to be there and to serve."""
    names = {program: f"born-{program}" for program in PROGRAMS}
    for number, (program, name) in enumerate(names.items()):
        creation = threading.Thread(target=_create_once, args=(stack, name, 8100 + number))
        creation.start()
        time.sleep(0.15)
        old_pid = stack.kill(program)
        stack.wait_for_restart(program, old_pid)
        creation.join()
    for number, name in enumerate(names.values()):
        _create_until_there(stack, name, 8100 + number)
        stack.wait_served(name, 90)
    for name in names.values():
        stack.elb().delete_load_balancer(LoadBalancerName=name)
    eventually(lambda: not leftovers.haproxies(stack.where.agent_dir), 30, "no HAProxy left")


def _create_once(stack: RunningStack, name: str, port: int) -> None:
    """The creation that is disturbed; what it answers does not matter, only what is true afterwards."""
    with contextlib.suppress(ClientError, BotoCoreError):
        stack.create(name, port)


def _create_until_there(stack: RunningStack, name: str, port: int) -> None:
    """A user would repeat a creation that failed; a repeated one that succeeded before is no error."""

    def created() -> bool:
        try:
            stack.create(name, port)
        except (ClientError, BotoCoreError):
            return False
        return True

    eventually(created, 120, f"{name} created")
