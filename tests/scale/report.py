"""What was seen at every size, as rows of a table, as lines for whoever watches, and as points for charts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.bench import engine_figures as figures
from tests.scale import changes, watch
from tests.scale.fleet import Growth

PROOF_S = 2.0
PROOF_GROWTH = 1.5
IDLE_CALLS_PER_S = 0.2
IDLE_CORES = 1.0
PROOFS = "push-to-proof, s"
PARKED = "parked polls"
SERVICE_POLLS = 2
"""At least: one for decisions and one for activities. How many more there are is the schedulers' affair."""


@dataclass(frozen=True)
class Size:
    """All that was seen with ``load_balancers`` of them."""

    load_balancers: int
    growth: Growth
    empty_calls_per_s: float
    idle: watch.Period
    busy: watch.Period
    parked: int
    resident_mib: dict[str, float]
    proofs: list[changes.Proof]

    @property
    def idle_calls_per_s(self) -> float:
        """SWF calls per second that one idle load balancer adds."""
        return (self.idle.calls / self.idle.seconds - self.empty_calls_per_s) / self.load_balancers

    def proven_s(self, share: float) -> float:
        """Quantile of push-to-proof."""
        return figures.quantile([proof.proven_s for proof in self.proofs], share)


def rows(sizes: Sequence[Size], vms: int) -> list[figures.Figure]:
    """The table: what is asked of every size, and how it grows."""
    found = [row for size in sizes for row in _rows(size, vms)]
    first, last = sizes[0], sizes[-1]
    if first is not last:
        growth = last.proven_s(0.99) / first.proven_s(0.99)
        name = f"the same, p99 with {last.load_balancers} against {first.load_balancers}"
        found.append(figures.Figure(name, f"≤ {PROOF_GROWTH} ×", f"{growth:.2f} ×", growth <= PROOF_GROWTH))
    return found


def _rows(size: Size, vms: int) -> Iterator[figures.Figure]:
    count = size.load_balancers
    what = f"{count} × {vms} VMs: "
    p99 = size.proven_s(0.99)
    lies = sum(not proof.serves for proof in size.proofs)
    wanted = count * vms + SERVICE_POLLS
    yield figures.Figure(
        f"{what}push-to-proof of {len(size.proofs)} changes",
        f"p99 ≤ {PROOF_S:g} s",
        f"p50 {figures.ms(size.proven_s(0.5), 0)}, p99 {figures.ms(p99, 0)}",
        p99 <= PROOF_S,
    )
    yield figures.Figure(f"{what}proofs that a request did not bear out", "0", str(lies), lies == 0)
    yield figures.Figure(
        f"{what}SWF calls of an idle load balancer",
        f"≤ {IDLE_CALLS_PER_S} per second",
        f"{size.idle_calls_per_s:.3f} per second",
        size.idle_calls_per_s <= IDLE_CALLS_PER_S,
    )
    yield figures.Figure(f"{what}polls parked at the engine", f"≥ {wanted}", str(size.parked), size.parked >= wanted)
    yield figures.Figure(
        f"{what}all services, idle",
        f"< {IDLE_CORES:g} core",
        f"{size.idle.services_cores:.2f} cores",
        size.idle.services_cores < IDLE_CORES,
    )
    yield figures.Figure(f"{what}all services, under change", "", f"{size.busy.services_cores:.2f} cores")
    yield figures.Figure(
        f"{what}a task's commit to its poll's answer, under change",
        "",
        f"p50 ≤ {figures.ms(size.busy.dispatch_s(0.5))}, p99 ≤ {figures.ms(size.busy.dispatch_s(0.99))}",
    )
    services = sum(mib for program, mib in size.resident_mib.items() if program != "haproxy")
    yield figures.Figure(
        f"{what}memory", "", f"services {services:.0f} MiB, HAProxys {size.resident_mib['haproxy']:.0f} MiB (PSS)"
    )
    yield figures.Figure(
        f"{what}time to create {size.growth.count} more",
        "",
        f"{size.growth.created_s:.0f} s, served {size.growth.served_s:.0f} s",
    )


def points(sizes: Sequence[Size]) -> list[dict[str, object]]:
    """For charts: one point per size and series."""
    found: list[dict[str, object]] = []

    def add(chart: str, series: str, size: Size, value: float) -> None:
        found.append({"chart": chart, "series": series, "x": size.load_balancers, "y": round(value, 6)})

    for size in sizes:
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            add(PROOFS, name, size, size.proven_s(share))
            add("task dispatch, s", name, size, size.busy.dispatch_s(share))
        add("SWF calls per idle load balancer and second", "elbflow", size, size.idle_calls_per_s)
        add(PARKED, "elbflow", size, size.parked)
        for program, cores in size.idle.cores.items():
            add("idle CPU, cores", program, size, cores)
        for program, cores in size.busy.cores.items():
            add("CPU under change, cores", program, size, cores)
        for program, mib in size.resident_mib.items():
            add("memory, MiB", program, size, mib)
    return found


def line(size: Size) -> str:
    """One size in a few lines."""
    operations = sorted(size.idle.calls_by_operation.items(), key=lambda item: -item[1])
    idle = "  ".join(f"{program} {100 * share:.1f}" for program, share in sorted(size.idle.cores.items()))
    busy = "  ".join(f"{program} {100 * share:.1f}" for program, share in sorted(size.busy.cores.items()))
    memory = "  ".join(f"{program} {mib:.0f}" for program, mib in sorted(size.resident_mib.items()))
    return "\n".join(
        [
            f"  push-to-proof p50 {figures.ms(size.proven_s(0.5))}, p99 {figures.ms(size.proven_s(0.99))}, "
            f"longest {figures.ms(max(proof.proven_s for proof in size.proofs))}",
            *(f"    {kind}" for kind in _by_kind(size.proofs)),
            f"  idle: {size.idle_calls_per_s:.3f} calls/s per load balancer, {size.parked} polls parked",
            "    " + "  ".join(f"{name} {count:.0f}" for name, count in operations if count >= 1),
            f"  idle, % of a core: {idle}",
            f"  under change:      {busy}",
            f"  memory, MiB: {memory}",
            f"  dispatch p99 at most {figures.ms(size.busy.dispatch_s(0.99))}",
        ]
    )


def _by_kind(proofs: Sequence[changes.Proof]) -> list[str]:
    rows = []
    for kind in dict.fromkeys(proof.kind for proof in proofs):
        proven = [proof.proven_s for proof in proofs if proof.kind == kind]
        answered = [proof.answered_s for proof in proofs if proof.kind == kind]
        rows.append(
            f"{kind}: {len(proven)}, answered p50 {figures.ms(figures.median(answered))}, "
            f"proven p50 {figures.ms(figures.median(proven))}, p99 {figures.ms(figures.quantile(proven, 0.99))}"
        )
    return rows
