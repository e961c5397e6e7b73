"""A foreign tenant in the account that we share, and how several of our processes share what they get.

python -m tests.bench.polling_tenants

The engine throttles as AWS does, at a quarter of its published quotas: 500 calls at once and 50 a second of each kind.
A foreign tenant makes 8 stacks a second with stock aiobotocore: alone, then beside a process of ours that wants 150
starts, decision polls and answers a second, three times what the account may do: within its quotas, and at last
without. Then three processes of ours share an account that may do 20 calls a second, and none knows it.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.bench import engine_figures as figures
from tests.bench import engine_flows, engine_peers, polling_foreign, polling_storm, polling_throttled

ACCOUNT = "111122223333"
SCALE = 0.25
STACKS_PER_S = 8.0
STORM_PER_S = 150.0


@dataclass(frozen=True)
class Sizes:
    rounds: int
    round_s: float
    last_s: float
    settle_s: float
    lists: int


FULL = Sizes(rounds=3, round_s=8.0, last_s=20.0, settle_s=5.0, lists=100)
QUICK = Sizes(rounds=1, round_s=0.6, last_s=0.6, settle_s=2.0, lists=10)


@dataclass
class Seen:
    """What the foreign tenant saw in all phases of one kind, and what our storm did meanwhile."""

    tenant: polling_foreign.Phase = field(default_factory=polling_foreign.Phase)
    storm: Counter[str] = field(default_factory=Counter)


async def run(quick: bool) -> Sequence[figures.Figure]:
    rows = list(await foreign(QUICK if quick else FULL))
    return rows + list(await polling_throttled.run(quick))


async def foreign(sizes: Sizes) -> Sequence[figures.Figure]:
    with engine_peers.engine("--throttle-scale", str(SCALE)) as peer:
        await engine_flows.prepare(peer.url, account=ACCOUNT)
        await engine_flows.prepare(peer.url, polling_foreign.DOMAIN, ACCOUNT)
        async with polling_foreign.foreigner(peer.url, ACCOUNT) as tenant:
            alone, kept, free = Seen(), Seen(), Seen()
            await tenant.phase(1.0, STACKS_PER_S, sizes.settle_s)
            for _ in range(sizes.rounds):
                alone.tenant += await tenant.phase(sizes.round_s, STACKS_PER_S, sizes.settle_s)
                with _storm(peer, sizes, "--scale", str(SCALE)) as storm:
                    kept.tenant += await tenant.phase(sizes.round_s, STACKS_PER_S, sizes.settle_s)
                    kept.storm.update(polling_storm.ask(storm))
            with _storm(peer, sizes, "--unlimited") as storm:
                free.tenant += await tenant.phase(sizes.last_s, STACKS_PER_S, sizes.settle_s)
                free.storm.update(polling_storm.ask(storm))
    return [*_rows(alone, kept), *_rows(alone, free, quotas=False)]


@contextlib.contextmanager
def _storm(peer: engine_peers.Peer, sizes: Sizes, *options: str) -> Iterator[subprocess.Popen[str]]:
    options += ("--per-second", str(STORM_PER_S), "--lists", str(sizes.lists))
    with polling_storm.storm(peer.url, *options) as storm:
        polling_storm.ask(storm)
        yield storm


def _rows(alone: Seen, beside: Seen, *, quotas: bool = True) -> Sequence[figures.Figure]:
    how = "our storm within its quotas" if quotas else "the same storm without quotas"
    rows = []
    for what, quiet, busy in (
        ("task latency", alone.tenant.task_s, beside.tenant.task_s),
        ("time of a stack", alone.tenant.stack_s, beside.tenant.stack_s),
    ):
        before, then = figures.quantile(quiet, 0.99), figures.quantile(busy, 0.99)
        middle = f"p50 {figures.ms(figures.median(busy))} against {figures.ms(figures.median(quiet))}"
        rows.append(
            figures.Figure(
                f"foreign tenant's {what} p99 beside {how}",
                "≤ 2 × alone and ≤ + 10 ms" if quotas else "",
                f"{then / before:.1f} ×, + {figures.ms(then - before)} ({figures.ms(then)} against "
                f"{figures.ms(before)}; {middle})",
                (then <= 2 * before and then - before <= 0.01) if quotas else None,
            )
        )
    there, storm = beside.tenant, beside.storm
    rows.append(
        figures.Figure(
            f"foreign tenant's calls throttled beside {how}",
            "0" if quotas else "",
            f"{there.throttled} of {there.calls}, {there.failed} after all tries (alone {alone.tenant.throttled} of "
            f"{alone.tenant.calls}); ours: {storm['wanted']} starts wanted, {storm['started']} made, "
            f"{storm['throttled']} of {storm['served'] + storm['throttled']} calls throttled",
            there.throttled == 0 if quotas else None,
        )
    )
    return rows


if __name__ == "__main__":
    sys.exit(figures.main(__doc__, run))
