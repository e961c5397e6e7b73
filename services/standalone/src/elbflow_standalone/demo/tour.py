"""The tour itself. Every step checks what it claims; nothing is retried on the way of the traffic."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from botocore.exceptions import WaiterError

from elbflow import store
from elbflow.contract import document, names
from elbflow_standalone import aws, layout, load_balancers, timeline
from elbflow_standalone.credentials import ACCOUNT
from elbflow_standalone.demo import calls, leftovers, traffic
from elbflow_standalone.demo.backends import Backend, Backends
from elbflow_standalone.demo.narrator import Narrator, Step, StepFailed, expect

NAME = "web"
ZONE = "local-1a"
HTTP_PORT, TCP_PORT, BACKEND_PORT = 8080, 8081, 8000
INTERVAL_S, THRESHOLD = 5, 2
FAILED_CHECKS = "Instance has failed at least the UnhealthyThreshold number of health checks consecutively."
_DEADLINE_S = 30.0


class Tour:
    """Plays on a running stack and tells ``narrator``. Raises ``StepFailed`` at the first step that goes wrong."""

    def __init__(self, where: layout.Layout, narrator: Narrator) -> None:
        self._where = where
        self._narrator = narrator
        self._elb = aws.client(where, "elb")
        self._swf = aws.client(where, "swf")
        self._key = document.LoadBalancerKey(ACCOUNT, NAME)
        self._phases: list[tuple[str, Counter[str]]] = []

    async def play(self) -> None:
        """The whole tour, about a minute."""
        async with Backends(self._where.network) as backends, store.Store(self._where.store_url) as db:
            self._db = db
            await self._create()
            first, second = await self._register_two(backends)
            await self._spread(first, second)
            await self._fail_and_recover(second)
            await self._add_tcp_listener()
            await self._stick()
            await self._deregister(second)
            await self._register_under_load(backends)
            await self._delete()
        await self._epilogue()

    # --- steps -----------------------------------------------------------------------------------------

    async def _create(self) -> None:
        async with self._step(f"create {NAME}: HTTP {HTTP_PORT} → {BACKEND_PORT} in {ZONE}") as step:
            answer = await self._call(
                "create_load_balancer",
                Listeners=[_listener("HTTP", HTTP_PORT)],
                AvailabilityZones=[ZONE],
            )
            expect(NAME in answer["DNSName"], f"a DNS name with {NAME} in it", answer)
            health_check = {
                "Target": f"HTTP:{BACKEND_PORT}/",
                "Interval": INTERVAL_S,
                "Timeout": 2,
                "UnhealthyThreshold": THRESHOLD,
                "HealthyThreshold": THRESHOLD,
            }
            await self._call("configure_health_check", HealthCheck=health_check)
            address, _ = await self._served()
            step.detail = f"{answer['DNSName']} at {address}:{HTTP_PORT}"

    async def _register_two(self, backends: Backends) -> tuple[Backend, Backend]:
        async with self._step("start two back ends and register them; wait until InService") as step:
            first, second = await self._launch(backends, "i-web1"), await self._launch(backends, "i-web2")
            await self._register(first, second)
            await self._in_service(first, second)
            step.detail = f"{first.address} and {second.address}"
        return first, second

    async def _spread(self, first: Backend, second: Backend) -> None:
        async with self._step("400 requests, evenly spread") as step:
            address, _ = await self._served()
            tally = await traffic.send(address, HTTP_PORT, clients=8, requests_each=50)
            _no_failures(tally)
            share = tally.by_backend[first.instance_id] / tally.requests
            expect(tally.requests == 400 and 0.4 <= share <= 0.6, "both back ends between 40 and 60 %", tally)
            step.detail = _shares(tally)

    async def _fail_and_recover(self, backend: Backend) -> None:
        limit_s = INTERVAL_S * THRESHOLD + 2
        async with self._step(
            f"stop {backend.instance_id}: OutOfService within {limit_s} s, then no failed request"
        ) as step:
            await backend.stop()
            began = time.monotonic()
            state = await self._wait_for_state(backend, "OutOfService", limit_s)
            expect(state["Description"] == FAILED_CHECKS, FAILED_CHECKS, state["Description"])
            expect(state["ReasonCode"] == "Instance", "reason code Instance", state["ReasonCode"])
            seconds = time.monotonic() - began
            address, _ = await self._served()
            _no_failures(await traffic.send(address, HTTP_PORT, clients=8, requests_each=50))
            step.detail = f"after {seconds:.1f} s; 400 requests, 0 failed"
        async with self._step(f"restart {backend.instance_id}: back InService"):
            await backend.start()
            await self._in_service(backend)

    async def _add_tcp_listener(self) -> None:
        async with self._step(f"add a TCP listener {TCP_PORT} → {BACKEND_PORT}") as step:
            await self._call("create_load_balancer_listeners", Listeners=[_listener("TCP", TCP_PORT)])
            address, ports = await self._served()
            expect(TCP_PORT in ports, f"a listener on {TCP_PORT}", ports)
            tally = await traffic.send(address, TCP_PORT, clients=4, requests_each=5)
            _no_failures(tally)
            step.detail = _shares(tally)

    async def _stick(self) -> None:
        async with self._step("LB-cookie stickiness on the HTTP listener") as step:
            await self._call("create_lb_cookie_stickiness_policy", PolicyName="sticky", CookieExpirationPeriod=60)
            await self._call(
                "set_load_balancer_policies_of_listener", LoadBalancerPort=HTTP_PORT, PolicyNames=["sticky"]
            )
            address, _ = await self._served()
            homes = [await self._stuck_to(address) for _ in range(6)]
            expect(len(set(homes)) == 2, "new clients on both back ends", homes)
            step.detail = "6 clients, 10 requests each, every one stays where its cookie says"

    async def _stuck_to(self, address: str) -> str:
        async with traffic.Client(address, HTTP_PORT) as client:
            first = await client.get()
            cookie = first.headers.get("set-cookie", "").partition(";")[0]
            expect(cookie.startswith("AWSELB="), "an AWSELB cookie", first.headers)
            seen = {(await client.get(headers={"Cookie": cookie})).backend for _ in range(10)}
        expect(seen == {first.backend}, f"only {first.backend}", seen)
        return first.backend

    async def _deregister(self, backend: Backend) -> None:
        async with self._step(f"deregister {backend.instance_id}") as step:
            await self._call("deregister_instances_from_load_balancer", Instances=[_instance(backend)])
            address, _ = await self._served()
            tally = await traffic.send(address, HTTP_PORT, clients=4, requests_each=25)
            _no_failures(tally)
            expect(not tally.by_backend[backend.instance_id], f"nothing for {backend.instance_id}", tally)
            step.detail = _shares(tally)

    async def _register_under_load(self, backends: Backends) -> None:
        async with self._step("register a third while 20 keep-alive clients run: zero failed") as step:
            address, _ = await self._served()
            async with traffic.flowing(address, HTTP_PORT, clients=20) as tally:
                third = await self._launch(backends, "i-web3")
                await self._register(third)
                await self._in_service(third)
                await _until(lambda: tally.by_backend[third.instance_id] >= 100, "traffic for i-web3")
            _no_failures(tally)
            step.detail = f"{tally.requests} requests, 0 failed; {_shares(tally)}"

    async def _delete(self) -> None:
        async with self._step(f"delete {NAME}: HAProxy gone, workflows closed, store empty") as step:
            address, _ = await self._served()
            await self._call("delete_load_balancer")
            await _until(lambda: not leftovers.haproxies(self._where.agent_dir), "no HAProxy of this load balancer")
            expect(not await leftovers.accepts(address, HTTP_PORT), "the listener closed", f"{address} still accepts")
            open_ids = await asyncio.to_thread(leftovers.open_executions, self._swf, self._key)
            expect(not open_ids, "no open workflow of this load balancer", open_ids)
            rows = await leftovers.rows(self._db)
            expect(not rows, "an empty store", rows)
            step.detail = "nothing left"

    async def _epilogue(self) -> None:
        executions = await asyncio.to_thread(leftovers.closed_executions, self._swf, self._key)
        created = next(info for info in executions if info["workflowType"]["name"] == "CreateLoadBalancer")
        self._narrator.say("\nThe CreateLoadBalancer execution, from its SWF history:")
        self._narrator.say(await asyncio.to_thread(timeline.of_execution, self._swf, created["execution"]))
        self._narrator.say("\nWhat each phase cost in SWF calls:")
        self._narrator.say(calls.table(self._phases))

    # --- means -----------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _step(self, title: str) -> AsyncIterator[Step]:
        before = await self._swf_calls()
        with self._narrator.step(title) as step:
            yield step
        self._phases.append((title, await self._swf_calls() - before))

    async def _swf_calls(self) -> Counter[str]:
        return await asyncio.to_thread(calls.served, f"{self._where.admin_url('engine')}/metrics")

    async def _call(self, operation: str, **parameters: object) -> aws.Answer:
        answer: aws.Answer = await asyncio.to_thread(getattr(self._elb, operation), LoadBalancerName=NAME, **parameters)
        return answer

    async def _launch(self, backends: Backends, instance_id: str) -> Backend:
        backend = await backends.launch(instance_id)
        async with self._db.transaction() as tx:
            await tx.instances.save(store.Instance(ACCOUNT, instance_id, backend.address, ZONE))
        return backend

    async def _register(self, *backends: Backend) -> None:
        instances = [_instance(backend) for backend in backends]
        await self._call("register_instances_with_load_balancer", Instances=instances)

    async def _in_service(self, *backends: Backend) -> None:
        waiter = self._elb.get_waiter("instance_in_service")
        instances = [_instance(backend) for backend in backends]
        try:
            await asyncio.to_thread(
                waiter.wait,
                LoadBalancerName=NAME,
                Instances=instances,
                WaiterConfig={"Delay": 1, "MaxAttempts": int(_DEADLINE_S)},
            )
        except WaiterError as error:
            health = await self._call("describe_instance_health", Instances=instances)
            raise StepFailed("all instances InService", str(health["InstanceStates"])) from error

    async def _wait_for_state(self, backend: Backend, state: str, limit_s: float) -> aws.Answer:
        end = time.monotonic() + limit_s
        while True:
            answer = await self._call("describe_instance_health", Instances=[_instance(backend)])
            found: aws.Answer = answer["InstanceStates"][0]
            if found["State"] == state:
                return found
            expect(time.monotonic() < end, f"{state} within {limit_s} s", found)
            await asyncio.sleep(0.1)

    async def _served(self) -> tuple[str, set[int]]:
        """Wait until the VM serves the newest generation; its address and the ports it listens on."""
        end = time.monotonic() + _DEADLINE_S
        while True:
            async with self._db.reading() as tx:
                lb = await tx.load_balancers.get(self._key)
            found = load_balancers.addresses(lb)
            if found and lb.applied_generation >= lb.generation:
                return str(found[0]["address"]), {int(str(one["port"])) for one in found}
            expect(time.monotonic() < end, f"generation {lb.generation} served", load_balancers.as_json(lb))
            await asyncio.sleep(0.05)


def _listener(protocol: str, port: int) -> dict[str, object]:
    return {
        "Protocol": protocol,
        "LoadBalancerPort": port,
        "InstanceProtocol": protocol,
        "InstancePort": BACKEND_PORT,
    }


def _instance(backend: Backend) -> dict[str, str]:
    return {"InstanceId": backend.instance_id}


def _no_failures(tally: traffic.Tally) -> None:
    expect(not tally.failures, "0 failed requests", f"{len(tally.failures)} of {tally.requests}: {tally.failures[:3]}")


def _shares(tally: traffic.Tally) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(tally.by_backend.items()))


async def _until(condition: leftovers.Condition, expected: str) -> None:
    end = time.monotonic() + _DEADLINE_S
    while not await asyncio.to_thread(condition):
        expect(time.monotonic() < end, expected, f"not after {_DEADLINE_S} s")
        await asyncio.sleep(0.05)


def title() -> str:
    """The domain and the tour's load balancer, for the first line of the story."""
    return f"elbflow tour: load balancer {NAME!r}, SWF domain {names.DOMAIN}"
