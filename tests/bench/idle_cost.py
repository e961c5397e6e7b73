"""What an idle load balancer costs: SWF calls per minute, CPU, and the memory of every process.

.venv/bin/python -m tests.bench.idle_cost --load-balancers 5 --minutes 2
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.e2e.stacks import RunningStack

from elbflow_standalone import supervision
from elbflow_standalone.demo import calls, leftovers

SETTLE_S = 20.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load-balancers", type=int, default=5, metavar="N")
    parser.add_argument(
        "--minutes", type=float, default=2.0, metavar="M", help="length of each of the two measurements"
    )
    arguments = parser.parse_args()
    data_dir = Path(tempfile.mkdtemp(prefix="elbflow-bench-"))
    stack = RunningStack(data_dir)
    stack.start()
    try:
        measure(stack, arguments.load_balancers, arguments.minutes * 60)
    finally:
        stack.close()
        shutil.rmtree(data_dir, ignore_errors=True)
    return 0


def measure(stack: RunningStack, count: int, period_s: float) -> None:
    """Measure without load balancers, then with ``count`` idle ones, and print the difference."""
    time.sleep(SETTLE_S)
    empty, empty_cpu = observe(stack, period_s)
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(stack.create, (f"idle-{number}" for number in range(count))))
    say(f"created {count} load balancers in {time.monotonic() - began:.1f} s")
    time.sleep(SETTLE_S)
    idle, idle_cpu = observe(stack, period_s)
    each = {operation: (idle[operation] - empty[operation]) * 60 / period_s / count for operation in idle}
    say(f"SWF calls per minute without load balancers: {empty.total() * 60 / period_s:.1f}")
    say(f"SWF calls per idle load balancer and minute: {sum(each.values()):.2f}")
    for operation, rate in sorted(each.items(), key=lambda item: -item[1]):
        say(f"  {operation:<36} {rate:6.2f}")
    say("process        RSS MiB   CPU % empty   CPU % idle")
    for program, pid in supervision.pids(stack.where).items():
        share = [100 * cpu.get(program, 0.0) / period_s for cpu in (empty_cpu, idle_cpu)]
        say(f"  {program:<12} {resident_mib(pid):7.1f} {share[0]:12.2f} {share[1]:12.2f}")
    proxies = leftovers.haproxies(stack.where.agent_dir)
    say(f"  {len(proxies)} haproxy processes, {sum(map(resident_mib, proxies)):.1f} MiB RSS together")


def observe(stack: RunningStack, period_s: float) -> tuple[Counter[str], Mapping[str, float]]:
    """SWF calls by operation and CPU seconds by program during ``period_s``."""
    url = f"{stack.where.admin_url('engine')}/metrics"
    calls_before, cpu_before = calls.served(url), cpu_seconds(stack)
    time.sleep(period_s)
    made, cpu_after = calls.served(url) - calls_before, cpu_seconds(stack)
    return made, {program: cpu_after[program] - cpu_before[program] for program in cpu_after}


def cpu_seconds(stack: RunningStack) -> dict[str, float]:
    ticks = os.sysconf("SC_CLK_TCK")
    spent = {}
    for program, pid in supervision.pids(stack.where).items():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        spent[program] = (int(fields[11]) + int(fields[12])) / ticks
    return spent


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
