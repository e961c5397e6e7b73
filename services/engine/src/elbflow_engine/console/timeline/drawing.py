"""Draws a story as SVG: a time axis, folded idle stretches, and a lane of bars for each kind of work.

No colours here: ``static/console.css`` gives them by class, for light and dark. What went wrong differs in shape too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import markupsafe

from elbflow_engine.console import text as texts
from elbflow_engine.console.timeline import glyphs, packing, svg
from elbflow_engine.console.timeline.model import Lane, Mark, Outcome, Span, Story
from elbflow_engine.console.timeline.scale import Scale

WIDTH = 1200.0
LEFT, RIGHT = 256.0, 1176.0
TOP = 30.0
ROW = 15.0
BAR = 9.0
THIN = 3.0
PAD = 5.0
CROWD = 34.0
MOST_LANES = 60
_TICKS_APART = 84.0
_LABEL_CHARACTERS = 30
_NAMED_IN_TITLE = 12
_TYPED = ("activity", "child", "lambda")
"""Families whose lanes bear the name of a type, often with its package before it."""

Href = Callable[[int], str]
"""Address of an event, by its id."""


@dataclass(frozen=True, slots=True)
class _Canvas:
    story: Story
    scale: Scale
    href: Href

    @property
    def now_ms(self) -> int:
        return self.story.end_ms


def draw(story: Story, href: Href, window: tuple[int, int] | None = None) -> markupsafe.Markup:
    """The picture as one ``<svg>`` element. ``window``: show only this part of the time, epoch milliseconds."""
    low_ms, high_ms = window or (story.start_ms, story.end_ms)
    canvas = _Canvas(story, Scale(story.idle, low_ms, high_ms, LEFT, RIGHT), href)
    lanes: list[str] = []
    top = TOP
    for number, lane in enumerate(_shown(story.lanes)):
        height, drawn = _lane(canvas, lane, top, number)
        lanes.append(drawn)
        top += height
    picture = svg.element(
        "svg",
        svg.element("title", text="Timeline of the execution"),
        *_folds(canvas, top),
        *_axis(canvas, top),
        *lanes,
        class_="timeline",
        role="img",
        viewBox=f"0 0 {svg.number(WIDTH)} {svg.number(top + PAD)}",
    )
    return markupsafe.Markup(picture)  # noqa: S704 - svg.element escaped every value


def _shown(lanes: Sequence[Lane]) -> Iterator[Lane]:
    """At most :data:`MOST_LANES`; what begins later shares one more lane."""
    if len(lanes) <= MOST_LANES:
        yield from lanes
        return
    yield from lanes[:MOST_LANES]
    rest = lanes[MOST_LANES:]
    spans = sorted((span for lane in rest for span in lane.spans), key=lambda span: span.scheduled_ms)
    yield Lane("activity", f"{len(rest)} other kinds", spans, [mark for lane in rest for mark in lane.marks])


def _axis(canvas: _Canvas, bottom: float) -> Iterator[str]:
    for tick in canvas.scale.ticks(canvas.story.start_ms, _TICKS_APART):
        label = ("+" if tick.anew else "") + texts.duration(tick.distance_ms) if tick.distance_ms else "0"
        yield svg.element("line", class_="tick", x1=tick.place, x2=tick.place, y1=TOP - 6, y2=bottom)
        yield svg.element("text", text=label, class_="axis", x=tick.place, y=TOP - 11, text_anchor="middle")


def _folds(canvas: _Canvas, bottom: float) -> Iterator[str]:
    for fold in canvas.scale.folds:
        idle = texts.duration(fold.to_ms - fold.from_ms)
        middle = (fold.left + fold.right) / 2
        yield svg.element(
            "g",
            svg.element("title", text=f"{idle} without work, not to scale"),
            svg.element("path", class_="fold", d=glyphs.strip(fold.left, fold.right, TOP - 6, bottom)),
            svg.element(
                "text", text=texts.coarse(idle), class_="axis idle", x=middle, y=TOP - 11, text_anchor="middle"
            ),
        )


def _lane(canvas: _Canvas, lane: Lane, top: float, number: int) -> tuple[float, str]:
    """The height of a lane and its drawing."""
    spans = packing.seen(lane.spans, canvas.scale, canvas.now_ms)
    bars = packing.pack(spans, canvas.scale, canvas.now_ms)
    if bars is None:
        inside, drawn = CROWD, list(_crowd(canvas, spans, top + PAD))
    else:
        inside = ROW * (1 + max((bar.row for bar in bars), default=0))
        drawn = [_bar(canvas, bar, top + PAD + ROW * bar.row) for bar in bars]
    drawn += _marks(canvas, lane.marks, top + PAD)
    height = inside + 2 * PAD
    background = svg.element("rect", class_="stripe", x=0, y=top, width=WIDTH, height=height) if number % 2 else ""
    label = _label(lane, spans, top + PAD + ROW * 0.75)
    return height, svg.element("g", background, label, *drawn, class_=f"lane {lane.family}")


def _label(lane: Lane, spans: Sequence[Span], baseline: float) -> str:
    name = lane.label.rpartition(".")[2] if lane.family in _TYPED else lane.label
    if lane.family in _TYPED and lane.family != "activity":
        name = f"{lane.family} {name}"
    bad = svg.element("tspan", text=f" {lane.bad} failed", class_="count bad") if lane.bad else ""
    many = svg.element("tspan", text=f"×{len(spans)}", class_="count") if len(spans) > 1 else ""
    counts = svg.element("text", many, bad, x=LEFT - 10, y=baseline, text_anchor="end") if many or bad else ""
    room = _LABEL_CHARACTERS - (9 if bad else 4 if many else 0)
    title = svg.element("title", text=f"{lane.family}: {lane.label}")
    shown = svg.escape(texts.shortened(name, room))
    return svg.element("text", title, shown, class_="label", x=8, y=baseline) + counts


def _bar(canvas: _Canvas, bar: packing.Bar, top: float) -> str:
    span = bar.span
    middle = top + ROW / 2
    parts = [svg.element("title", text=_story_of(span, canvas.story))]
    if bar.middle > bar.left:
        width = bar.middle - bar.left
        parts.append(svg.element("rect", class_="wait", x=bar.left, y=middle - THIN / 2, width=width, height=THIN))
    if span.started_ms is not None:
        width = bar.right - bar.middle
        parts.append(
            svg.element("rect", class_="run", x=bar.middle, y=middle - BAR / 2, width=width, height=BAR, rx=1.5)
        )
    end = glyphs.of_outcome(span.outcome, bar.right, middle)
    if end:
        parts.append(svg.element("path", class_="end", d=end))
    return _link(canvas, span.event_id, parts, f"span {span.outcome}")


def _crowd(canvas: _Canvas, spans: Sequence[Span], top: float) -> Iterator[str]:
    crowd = packing.crowd(spans, canvas.scale, canvas.now_ms, LEFT, RIGHT)
    base = top + CROWD
    per_one = (CROWD - 4) / max(1, crowd.highest)
    both = [waiting + running for waiting, running in zip(crowd.waiting, crowd.running, strict=True)]
    title = svg.element(
        "title", text=f"{len(spans)} in all, at most {packing.peak(spans, canvas.now_ms)} open at a time"
    )
    areas = (("wait", both), ("run", crowd.running))
    drawn = [
        svg.element(
            "path",
            class_=name,
            d=glyphs.area(
                [LEFT + packing.BIN * column for column in range(len(counts))],
                [base - per_one * count for count in counts],
                base,
            ),
        )
        for name, counts in areas
    ]
    yield svg.element("g", title, *drawn, class_="crowd")
    for place, group in crowd.bad:
        told = [svg.element("title", text=_several([_story_of(span, canvas.story) for span in group]))]
        told.append(svg.element("path", class_="end", d=glyphs.of_outcome(group[0].outcome, place, top + 6)))
        yield _link(canvas, group[0].event_id, told, f"span {group[0].outcome}")


def _marks(canvas: _Canvas, marks: Sequence[Mark], top: float) -> Iterator[str]:
    scale, middle = canvas.scale, top + ROW / 2
    placed = [(scale.x(mark.ms), mark) for mark in marks if scale.low_ms <= mark.ms <= scale.high_ms]
    for place, group in packing.together(placed):
        shown = group[0]
        parts = [svg.element("title", text=_several([f"{mark.text} (event {mark.event_id})" for mark in group]))]
        parts.append(svg.element("path", d=glyphs.of_mark(shown.kind, place, middle)))
        if len(group) > 1:
            parts.append(svg.element("text", text=str(len(group)), class_="many", x=place + 7, y=middle + 8))
        yield _link(canvas, shown.event_id, parts, f"mark {shown.kind}")


def _link(canvas: _Canvas, event_id: int, parts: Sequence[str], kind: str) -> str:
    # The table beside the picture holds the same links for those who go by keyboard.
    return svg.element("a", *parts, class_=kind, href=canvas.href(event_id), tabindex="-1")


def _several(lines: Sequence[str]) -> str:
    more = [f"… and {len(lines) - _NAMED_IN_TITLE} more"] if len(lines) > _NAMED_IN_TITLE else []
    return "\n".join([*lines[:_NAMED_IN_TITLE], *more])


def _story_of(span: Span, story: Story) -> str:
    """A span in words, for whoever points at it."""
    parts = [f"at {texts.duration(span.scheduled_ms - story.start_ms)}"]
    end_ms = story.end_ms if span.ended_ms is None else span.ended_ms
    if span.started_ms is None:
        parts.append(f"waited {texts.duration(end_ms - span.scheduled_ms)}, never started")
    else:
        if span.started_ms > span.scheduled_ms:
            parts.append(f"waited {texts.duration(span.started_ms - span.scheduled_ms)}")
        parts.append(f"took {texts.duration(end_ms - span.started_ms)}")
    how = "still open" if span.outcome is Outcome.OPEN else span.outcome.replace("-", " ")
    reason = f" ({span.reason})" if span.reason else ""
    return f"{span.text}\n{', '.join(parts)}: {how}{reason}\nevents {span.event_id} to {span.last_id}"
