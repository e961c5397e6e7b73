"""How far the control plane scales: load balancers with real VMs, HAProxys and back ends on one machine.

python -m tests.scale.load_balancers                    10, 50 and 300 load balancers of two VMs: about 25 minutes
python -m tests.scale.load_balancers --sizes 10,50      the short form
python -m tests.scale.load_balancers --results DIR      also writes the figures, for charts

At every size it measures what an idle minute costs, and then how long changes take from the API call to the proof that
all VMs serve them. Ctrl-C stops everything and leaves nothing running.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config
from tests.bench import engine_figures as figures
from tests.e2e.stacks import RunningStack
from tests.scale import backends, changes, needs, report, watch
from tests.scale.books import Books
from tests.scale.fleet import Fleet, NotReached

from elbflow_standalone import aws, credentials, layout

ZONES = ("local-1a", "local-1b", "local-1c")
INSTANCES = 2
EMPTY_S = 60.0
SETTLE_S = 35.0
"""A load balancer asks its VMs for all they know 30 s after the last time: instances that have just come are news."""

STOP_S = 300.0
RESULTS = "load_balancers.json"


@dataclass(frozen=True)
class Options:
    """What to measure."""

    sizes: tuple[int, ...] = (10, 50, 300)
    vms: int = 2
    changes: int = 480
    rate: float = 2.0
    idle_s: float = 120.0
    interval_s: int = 30
    results: Path | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    wanted = needs.Needs.of(options.vms * max(options.sizes))
    figures.say(f"needs {wanted}")
    if lacks := needs.missing(wanted):
        figures.say(f"cannot run here: {'; '.join(lacks)}. Smaller --sizes need less.")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    try:
        sizes = run(options)
    except KeyboardInterrupt:
        figures.say("interrupted; everything is stopped")
        return 130
    except NotReached as error:
        figures.say(f"not reached: {error}")
        return 1
    figures.say(f"\n{figures.machine()}; {time.monotonic() - began:.0f} s\n")
    figures.say(figures.table(str(row) for row in report.rows(sizes, options.vms)))
    if options.results is not None:
        options.results.mkdir(parents=True, exist_ok=True)
        (options.results / RESULTS).write_text(json.dumps(report.points(sizes), indent=1))
    return 0


def run(options: Options) -> list[report.Size]:
    """Start a stack, measure at every size, stop everything, whatever happens."""
    data_dir = Path(tempfile.mkdtemp(prefix="elbflow-scale-"))
    stack = RunningStack(data_dir)
    try:
        stack.start()
        found = asyncio.run(_measure_all(stack.where, options))
    except Exception:
        figures.say(f"logs are kept in {stack.where.log_dir}")
        raise
    except KeyboardInterrupt:
        figures.say("stopping …")
        raise
    finally:
        stack.close(STOP_S)
    shutil.rmtree(data_dir, ignore_errors=True)
    return found


async def _measure_all(where: layout.Layout, options: Options) -> list[report.Size]:
    await asyncio.sleep(min(SETTLE_S, options.idle_s))
    empty = await _period(where, min(EMPTY_S, options.idle_s))
    found = []
    async with backends.serving(where.network, INSTANCES + 1) as (*instances, spare):
        with Books(where.data_dir) as books:
            fleet = Fleet(_elb(where), books, ZONES[: options.vms], instances, options.interval_s, figures.say)
            for size in options.sizes:
                found.append(await _measure(where, fleet, size, spare, empty.calls / empty.seconds, options))
                figures.say(report.line(found[-1]))
    return found


async def _measure(
    where: layout.Layout, fleet: Fleet, size: int, spare: str, empty_calls_per_s: float, options: Options
) -> report.Size:
    figures.say(f"creating load balancers up to {size}")
    growth = await fleet.grow(size)
    figures.say(
        f"  {growth.count} created in {growth.created_s:.0f} s, all served after {growth.served_s:.0f} s, "
        f"instances in service after {growth.in_service_s:.0f} s"
    )
    await asyncio.sleep(min(SETTLE_S, options.idle_s))
    idle = await _period(where, options.idle_s)
    parked = await asyncio.to_thread(watch.parked, where)
    before = await asyncio.to_thread(watch.snapshot, where)
    proofs = await changes.at_rate(fleet, spare, count=options.changes, rate=options.rate)
    after = await asyncio.to_thread(watch.snapshot, where)
    resident = await asyncio.to_thread(watch.resident_mib, where)
    return report.Size(size, growth, empty_calls_per_s, idle, watch.between(before, after), parked, resident, proofs)


async def _period(where: layout.Layout, seconds: float) -> watch.Period:
    before = await asyncio.to_thread(watch.snapshot, where)
    await asyncio.sleep(seconds)
    return watch.between(before, await asyncio.to_thread(watch.snapshot, where))


def _elb(where: layout.Layout) -> aws.Client:
    keys = credentials.load(where).administrator
    return boto3.client(
        "elb",
        endpoint_url=where.elb_url,
        region_name=layout.REGION,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        config=Config(read_timeout=70, retries={"mode": "standard", "total_max_attempts": 3}, max_pool_connections=64),
    )


def _parse(arguments: Sequence[str] | None) -> Options:
    usual = Options()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=_sizes, default=usual.sizes, metavar="N,N", help="load balancers, ascending")
    parser.add_argument("--vms", type=int, default=usual.vms, choices=range(1, len(ZONES) + 1), help="one per zone")
    parser.add_argument("--changes", type=int, default=usual.changes, metavar="N", help="changes at every size")
    parser.add_argument("--rate", type=float, default=usual.rate, metavar="N", help="changes per second")
    parser.add_argument("--idle", dest="idle_s", type=float, default=usual.idle_s, metavar="SECONDS")
    parser.add_argument("--interval", dest="interval_s", type=int, default=usual.interval_s, metavar="SECONDS")
    parser.add_argument("--results", type=Path, metavar="DIR", help=f"where to write {RESULTS}")
    return Options(**vars(parser.parse_args(arguments)))


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(part) for part in text.split(","))
    if not sizes or sizes[0] < 1 or list(sizes) != sorted(set(sizes)):
        raise argparse.ArgumentTypeError("load balancers from 1 up, in ascending order")
    return sizes


if __name__ == "__main__":
    sys.exit(main())
