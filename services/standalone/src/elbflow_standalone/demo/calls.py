"""How many SWF calls each phase of the tour costs, from the engine's own counters."""

from __future__ import annotations

import urllib.request
from collections import Counter

from prometheus_client.parser import text_string_to_metric_families

_METRIC = "swfd_requests_total"


def served(metrics_url: str) -> Counter[str]:
    """SWF requests answered so far, by operation."""
    with urllib.request.urlopen(metrics_url, timeout=5) as answer:  # noqa: S310
        text = answer.read().decode()
    counts: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == _METRIC:
                counts[sample.labels["op"]] += int(sample.value)
    return counts


def table(phases: list[tuple[str, Counter[str]]]) -> str:
    """One line per phase: all calls, and the polls among them."""
    lines = [f"  {'phase':<68} {'calls':>6} {'of them polls':>14}"]
    for title, counts in phases:
        polls = counts["PollForActivityTask"] + counts["PollForDecisionTask"]
        lines.append(f"  {title:<68} {counts.total():>6} {polls:>14}")
    return "\n".join(lines)
