"""What docs/metrics.md promises, and what PromQL expressions ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest

ROOT = Path(__file__).parents[3]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
SCRAPING = ROOT / "deploy" / "prometheus" / "prometheus.yml"
DASHBOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
FROM_PROMETHEUS = frozenset({"job", "instance"})

_METRIC = re.compile(r"`([a-z_]+)(?:\{([a-z_,]*)\})?`")
_STANDARD = {
    "up": frozenset[str](),
    "process_cpu_seconds_total": frozenset[str](),
    "process_resident_memory_bytes": frozenset[str](),
    "process_open_fds": frozenset[str](),
    "process_max_fds": frozenset[str](),
}


@pytest.fixture(scope="session")
def catalogue() -> dict[str, frozenset[str]]:
    """Documented metrics with their labels."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    cells = (line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    found = {name: labels for cell in cells for name, labels in _METRIC.findall(cell)}
    return _STANDARD | {name: frozenset(filter(None, labels.split(","))) for name, labels in found.items()}


def asked(expression: promql_parser.Expr) -> Iterator[tuple[str, frozenset[str]]]:
    """Every metric that ``expression`` reads, with the labels that it selects or groups by."""
    yield from _asked(expression, frozenset())


def _asked(node: promql_parser.Expr, grouped: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    match node:
        case promql_parser.VectorSelector():
            assert node.name is not None, "a selector names its metric"
            yield node.name, grouped | {matcher.name for matcher in node.matchers.matchers}
        case promql_parser.MatrixSelector():
            yield from _asked(node.vector_selector, grouped)
        case promql_parser.AggregateExpr():
            by = node.modifier
            assert by is None or by.type == promql_parser.AggModifierType.By, "aggregate by labels, not without"
            yield from _asked(node.expr, grouped | frozenset(by.labels if by is not None else ()))
        case promql_parser.Call():
            for argument in node.args:
                yield from _asked(argument, grouped)
        case promql_parser.BinaryExpr():
            for side in (node.lhs, node.rhs):
                yield from _asked(side, grouped)
        case promql_parser.ParenExpr() | promql_parser.UnaryExpr() | promql_parser.SubqueryExpr():
            yield from _asked(node.expr, grouped)
        case promql_parser.NumberLiteral() | promql_parser.StringLiteral():
            return
        case _:
            raise AssertionError(f"{type(node).__name__} is not understood by this test")


def problems(expression: str, catalogue: dict[str, frozenset[str]]) -> list[str]:
    """What of ``expression`` no service exposes; raises ``ValueError`` when it does not parse."""
    found = []
    for name, labels in asked(promql_parser.parse(expression)):
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        is_part = family != name and name not in catalogue
        known = catalogue.get(family if is_part else name)
        if known is None:
            found.append(f"no metric {name}")
            continue
        allowed = known | FROM_PROMETHEUS | ({"le"} if name.endswith("_bucket") else frozenset())
        found += [f"{name} has no label {label}" for label in sorted(labels - allowed)]
    return found
