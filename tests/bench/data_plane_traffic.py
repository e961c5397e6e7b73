"""What a rendered listener costs: requests per second and latency beside a minimal hand-written HAProxy file.

python -m tests.bench.data_plane_traffic

Ours is a VM's servo with health checks, load-balancer cookies and access logs, once off and once on. The others are the
same HAProxy: with ten lines that only let traffic flow, and with a file that somebody could write by hand for the same
features, logs aside. All have two instances, HAProxys themselves, and take turns on the first core; client, instances
and servo, with everything it does about logs, share the last. The client is written in C: it keeps its connections, and
each sends its next request when the answer is there. With 400 of them HAProxy is what limits the rate; with 32 it often
waits for the others, so the rate shows how they take turns as well. Answers of 30 bytes show what a request costs,
those of 10 KiB what it costs with a small page.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import data_plane_peers as peers
from tests.bench import engine_figures as figures
from tests.bench import polling_report

from elbflow.contract import document

OURS, MINIMAL, FEATURED = "ours", "minimal", "featured"
CONNECTIONS = 400, 32
FULL, QUICK = (8, 1.0), (1, 0.2)
"""Rounds, and their seconds."""
ACCOUNT = "000000000001"
MUST = {"off": 0.97, "on": 0.90}


@dataclass
class Round:
    answer: peers.Answer
    proxy_cpu_s: float

    @property
    def cpu_us(self) -> float:
        """HAProxy's, per request."""
        return 1e6 * self.proxy_cpu_s / max(1, self.answer.requests)


def wanted(instances: Sequence[str], generation: int, *, logs: bool) -> document.LoadBalancerDocument:
    """One HTTP and one HTTPS listener with everything that users switch on."""
    http, https = document.Protocol.HTTP, document.Protocol.HTTPS
    listeners = (
        document.Listener(http, peers.HTTP_PORT, http, peers.BACKEND_PORT, None, ("sticky",)),
        document.Listener(https, peers.HTTPS_PORT, http, peers.BACKEND_PORT, peers.ARN, ("sticky",)),
    )
    return document.LoadBalancerDocument(
        document.LoadBalancerKey(ACCOUNT, "bench"),
        generation,
        "local-1a",
        listeners,
        tuple(document.BackendInstance(f"i-{number:08x}", one) for number, one in enumerate(instances)),
        document.HealthCheck(f"HTTP:{peers.BACKEND_PORT}/", 5, 2, 2, 2),
        (document.Policy("sticky", "LBCookieStickinessPolicyType", (("CookieExpirationPeriod", "3600"),)),),
        (),
        document.Attributes(access_log_enabled=logs, access_log_bucket="bench" if logs else None),
    )


def program(run: polling_report.Run) -> Sequence[figures.Figure]:
    if lacking := peers.missing():
        names = (f"{kind}: requests/s against a minimal file" for kind in ("HTTP", "HTTPS"))
        return [figures.Figure(name, "", f"not measured: this machine has no {lacking}") for name in names]
    net = peers.network()
    instances, ours = (f"{net}.11", f"{net}.12"), f"{net}.2"
    with peers.workshop() as directory, peers.backends(directory, instances), contextlib.ExitStack() as stack:
        sides: dict[str, tuple[str, Callable[[], list[int]]]] = {}
        for address, name, write in ((f"{net}.3", MINIMAL, peers.minimal), (f"{net}.4", FEATURED, peers.featured)):
            text = write(address, directory / "bench.pem", instances)
            process = stack.enter_context(peers.haproxy(directory, name, text, peers.PROXY_CORES))
            sides[name] = (address, functools.partial(peers.family, process.pid))
        with peers.vm(directory, ours) as vm:
            sides[OURS] = (ours, vm.haproxys)
            rows: list[figures.Figure] = []
            for generation, logs in enumerate(("off", "on"), 1):
                vm.apply(wanted(instances, generation, logs=logs == "on"))
                vm.pin()
                for tls in (False, True):
                    for address, _ in sides.values():
                        peers.until_answered(directory, address, tls=tls)
                    protocol = "HTTPS" if tls else "HTTP"
                    for connections, answer in itertools.product(CONNECTIONS, peers.ANSWERS):
                        load = functools.partial(peers.load, directory, tls=tls, connections=connections, answer=answer)
                        name = f"{protocol}, access logs {logs}, {connections} connections, answers of {answer:,} bytes"
                        rows.append(_figure(_rounds(run, sides, load), name, MUST[logs]))
                    if logs == "off":
                        rows.append(_handshakes(run, sides, tls, directory))
            return rows


Sides = Mapping[str, tuple[str, Callable[[], list[int]]]]


def _rounds(run: polling_report.Run, sides: Sides, load: Callable[..., peers.Answer]) -> Mapping[str, Sequence[Round]]:
    count, seconds = QUICK if run.quick else FULL
    found: dict[str, list[Round]] = defaultdict(list)
    for turn in range(count):
        for name in sorted(sides, reverse=turn % 2 == 1):
            address, pids = sides[name]
            processes = pids()
            before = peers.cpu_s(processes)
            answer = load(address, seconds=seconds)
            found[name].append(Round(answer, peers.cpu_s(processes) - before))
    return found


def _figure(found: Mapping[str, Sequence[Round]], name: str, must: float) -> figures.Figure:
    ours, other, alike = found[OURS], found[MINIMAL], found[FEATURED]
    rate = figures.median([one.answer.rate / two.answer.rate for one, two in zip(ours, other, strict=True)])
    p99 = figures.median([one.answer.p99_us / two.answer.p99_us for one, two in zip(ours, other, strict=True)])
    cpu = figures.median([one.cpu_us / two.cpu_us for one, two in zip(ours, other, strict=True)])
    against = figures.median([one.answer.rate / two.answer.rate for one, two in zip(ours, alike, strict=True)])
    alike_cpu = figures.median([one.cpu_us / two.cpu_us for one, two in zip(ours, alike, strict=True)])
    failures = sum(each.answer.failures for each in (*ours, *other, *alike))
    seen = (
        f"{rate:.2f} × ({figures.median([each.answer.rate for each in ours]):,.0f}/s against "
        f"{figures.median([each.answer.rate for each in other]):,.0f}/s); p99 {p99:.2f} × "
        f"({figures.median([float(each.answer.p99_us) for each in ours]) / 1e3:.2f} ms); HAProxy's CPU {cpu:.2f} × "
        f"({figures.median([each.cpu_us for each in ours]):.1f} µs); "
        f"against the same features by hand {against:.2f} ×, CPU {alike_cpu:.2f} ×; {failures} failed"
    )
    return figures.Figure(f"{name}: requests/s against a minimal file", f"≥ {must:.2f} ×", seen, rate >= must)


def _handshakes(run: polling_report.Run, sides: Sides, tls: bool, directory: Path) -> figures.Figure:
    found = _rounds(run, sides, functools.partial(peers.load, directory, tls=tls, connections=8, kept=False))
    rates = {name: figures.median([each.answer.rate for each in rounds]) for name, rounds in found.items()}
    cpu = {name: figures.median([each.cpu_us for each in rounds]) for name, rounds in found.items()}
    seen = (
        f"{rates[OURS] / rates[MINIMAL]:.2f} × ({rates[OURS]:,.0f}/s); "
        f"HAProxy's CPU {cpu[OURS] / cpu[MINIMAL]:.2f} × ({cpu[OURS]:.0f} µs)"
    )
    return figures.Figure(f"{'HTTPS' if tls else 'HTTP'}: the same, a connection for every request", "", seen)


if __name__ == "__main__":
    sys.exit(polling_report.main(__doc__, program))
