"""Draws the curves that programs left with ``--results`` as SVG, one file for each chart.

python -m tests.bench.charts --results DIR [--out docs/charts]

Results are JSON files, each a list of points ``{"chart", "series", "x", "y"}``. The same results give the same bytes.
Charts are transparent and their ink follows the reader's light or dark theme. Needs matplotlib, as nothing else does.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

OUT = Path(__file__).parents[2] / "docs" / "charts"
INK = "#123456"
GRID = "#654321"
THEMES = (
    "svg{color-scheme:light dark;--ink:#24292f;--grid:#d0d7de}"
    "@media(prefers-color-scheme:dark){svg{--ink:#c9d1d9;--grid:#30363d}}"
)
# Readable on white and on black, and told apart by those who see fewer colours.
COLOURS = ("#0a84c6", "#d9730d", "#2f9e62", "#b5548f", "#8a7a00", "#6d6df0")
MARKERS = ("o", "s", "^", "D", "v", "P")
SETTINGS: Any = {
    "svg.hashsalt": "elbflow",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
}
Curves = Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Chart:
    """How one chart is labelled; ``log`` names the axes with a logarithmic scale."""

    title: str
    x: str
    y: str
    log: str = ""


CHARTS: Mapping[str, Chart] = {
    "parked-memory": Chart("Memory of a parked poll, the kernel's included", "parked polls", "KiB each", "x"),
    "parked-burst": Chart("One poll in ten gets a task at once: p99 of the latency", "parked polls", "ms", "xy"),
    "early-rate": Chart("3,000 polls, a server that answers empty after 1 s", "seconds", "requests per second", "y"),
    "herd-requests": Chart("Polls per task on one list, 20 tasks per second", "polls wanted", "polls per task", "xy"),
    "burst-polls": Chart("1,000 tasks on a list with one poll, 60 ms away", "seconds", "polls wanted"),
}


def chart_of(name: str) -> Chart:
    """How a chart is labelled. One that is not known here, as those of the scale programs, says so by its name: what,
    and after a comma the unit."""
    what, _, unit = name.partition(", ")
    return CHARTS.get(name, Chart(what, "load balancers", unit))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, curves in sorted(read(options.results).items()):
        file = options.out / f"{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}.svg"
        file.write_text(draw(chart_of(name), curves))
        print(file)
    return 0


def read(results: Path) -> dict[str, Curves]:
    """The curves of every chart, from all files there: points in order of ``x``, series in order of first mention."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for file in sorted(results.glob("*.json")):
        for point in json.loads(file.read_text()):
            found[point["chart"]][point["series"]] += _points(point["x"], point["y"])
    return {chart: {name: sorted(points) for name, points in series.items()} for chart, series in found.items()}


def _points(x: Any, y: Any) -> Iterable[tuple[float, float]]:
    """``x`` and ``y`` are numbers, or lists of as many."""
    return zip(x, y, strict=True) if isinstance(x, list) else [(x, y)]


def draw(chart: Chart, curves: Curves) -> str:
    """The SVG of one chart."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(7.2, 3.6), layout="constrained")
        axes = figure.add_subplot()
        for number, (name, points) in enumerate(sorted(curves.items(), key=_ours_first)):
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
            if "y" in chart.log:
                points = [point for point in points if point[1] > 0]
            xs, ys = [x for x, _ in points], [y for _, y in points]
            axes.plot(xs, ys, label=name, color=colour, marker=marker, markersize=4, markevery=max(1, len(xs) // 16))
        axes.set_title(chart.title, loc="left", fontsize=11)
        axes.set_xlabel(chart.x)
        axes.set_ylabel(chart.y)
        if "x" in chart.log:
            axes.set_xscale("log")
        if "y" in chart.log:
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter("{x:,g}")
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.grid(visible=True, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return themed(drawn.getvalue())


def _ours_first(curve: tuple[str, Any]) -> bool:
    """Our curves have the same colours in all charts."""
    return not curve[0].startswith("ours")


def themed(svg: str) -> str:
    """Ink and grid in the colours of the reader's theme."""
    svg = svg.replace(INK, "var(--ink)").replace(GRID, "var(--grid)")
    return re.sub(r"(<style[^>]*>)", rf"\1{THEMES}", svg, count=1)


if __name__ == "__main__":
    sys.exit(main())
