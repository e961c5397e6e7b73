"""From a history to lanes, and from lanes to a picture."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from elbflow_engine.console import events, timeline
from elbflow_engine.console.timeline import glyphs, packing
from elbflow_engine.console.timeline.scale import Scale


def story_of(scribe: Any, now_ms: int) -> timeline.Story:
    return timeline.read(events.digests(scribe.events), now_ms)


def picture_of(scribe: Any, now_ms: int) -> ElementTree.Element:
    drawn = timeline.draw(story_of(scribe, now_ms), lambda event_id: f"#event-{event_id}")
    return ElementTree.fromstring(drawn)


def lane(story: timeline.Story, family: str) -> timeline.Lane:
    return next(one for one in story.lanes if one.family == family)


def test_a_span_goes_from_scheduled_over_started_to_its_end(
    scribe: Any, now_ms: int, at_ms: Callable[[float], int]
) -> None:
    first = scribe.activity(1, 2, 4, "Failed", reason="declined")
    [span] = lane(story_of(scribe, now_ms), "activity").spans
    assert (span.event_id, span.last_id) == (first, first + 2)
    assert (span.scheduled_ms, span.started_ms, span.ended_ms) == (at_ms(1), at_ms(2), at_ms(4))
    assert span.outcome is timeline.Outcome.FAILED
    assert span.reason == "declined"


def test_retries_of_one_type_share_a_lane_and_others_do_not(scribe: Any, now_ms: int) -> None:
    scribe.activity(1, 2, 3, "TimedOut", timeoutType="START_TO_CLOSE")
    scribe.activity(4, 5, 6)
    scribe.activity(5, 6, 7, name="ship")
    activities = [one for one in story_of(scribe, now_ms).lanes if one.family == "activity"]
    assert [(one.label, len(one.spans), one.bad) for one in activities] == [("charge 1", 2, 1), ("ship 1", 1, 0)]


def test_timers_children_signals_and_refused_decisions_have_their_places(scribe: Any, now_ms: int) -> None:
    timer = scribe.add(1, "TimerStarted", timerId="t", startToFireTimeout="5")
    child = scribe.add(1, "StartChildWorkflowExecutionInitiated", workflowId="c", workflowType={"name": "kid"})
    scribe.add(2, "ChildWorkflowExecutionStarted", initiatedEventId=child)
    scribe.add(2.5, "WorkflowExecutionSignaled", signalName="hurry")
    scribe.add(3, "ScheduleActivityTaskFailed", activityId="x", cause="ACTIVITY_TYPE_DOES_NOT_EXIST")
    scribe.add(3.5, "StartChildWorkflowExecutionFailed", workflowId="d", initiatedEventId=0, cause="OPEN_CHILDREN")
    scribe.add(4, "ChildWorkflowExecutionTerminated", initiatedEventId=child, startedEventId=child + 1)
    scribe.add(5, "TimerCanceled", timerId="t", startedEventId=timer)
    story = story_of(scribe, now_ms)
    assert lane(story, "timer").spans[0].outcome is timeline.Outcome.CANCELED
    assert lane(story, "child").spans[0].outcome is timeline.Outcome.TERMINATED
    assert [mark.kind for mark in lane(story, "signal").marks] == ["signal"]
    assert [mark.kind for mark in lane(story, "problem").marks] == ["problem", "problem"]
    assert "ACTIVITY_TYPE_DOES_NOT_EXIST" in lane(story, "problem").marks[0].text


def test_links_to_events_that_are_missing_are_ignored(scribe: Any, now_ms: int) -> None:
    scribe.add(1, "ActivityTaskStarted", scheduledEventId=77)
    scribe.add(2, "ActivityTaskCompleted", scheduledEventId=77, startedEventId=78)
    assert [one.family for one in story_of(scribe, now_ms).lanes] == ["execution"]


def test_only_time_in_which_nobody_works_is_idle(scribe: Any, now_ms: int, at_ms: Callable[[float], int]) -> None:
    scribe.decision(0, 0, 1)
    scribe.activity(1, 2, 50)
    scribe.add(50, "TimerStarted", timerId="t", startToFireTimeout="40")
    scribe.add(90, "TimerFired", timerId="t", startedEventId=7)
    scribe.add(90, "WorkflowExecutionCompleted")
    assert story_of(scribe, now_ms).idle == [(at_ms(50), at_ms(90))]


def test_a_long_idle_stretch_is_folded_and_the_rest_keeps_its_proportions() -> None:
    scale = Scale([(1_000, 86_401_000)], 0, 86_402_000, 0.0, 1000.0)
    [fold] = scale.folds
    assert fold.right - fold.left < 60
    assert scale.x(500) * 2 == scale.x(1_000)
    assert abs((scale.x(86_402_000) - scale.x(86_401_500)) - scale.x(500)) < 0.01
    assert scale.x(86_401_000) == fold.right


def test_a_regular_rhythm_is_not_folded() -> None:
    scale = Scale([(60_000 * n + 100, 60_000 * (n + 1)) for n in range(60)], 0, 3_600_000, 0.0, 1000.0)
    assert scale.folds == ()
    assert scale.x(1_800_000) == 500.0


def test_ticks_are_round_and_apart_and_not_on_folds() -> None:
    scale = Scale([(10_000, 7_210_123)], 0, 7_220_123, 0.0, 1000.0)
    ticks = list(scale.ticks(0, 80.0))
    assert [(tick.distance_ms, tick.anew) for tick in ticks[-2:]] == [(8_000, True), (10_000, True)]
    assert len(ticks) > 4
    assert all(tick.distance_ms % 1000 == 0 for tick in ticks)
    places = [tick.place for tick in ticks]
    assert all(after - before >= 80 for before, after in itertools.pairwise(places))
    assert not any(scale.folds[0].left <= place <= scale.folds[0].right for place in places)


def test_bars_in_one_row_do_not_overlap(scribe: Any, now_ms: int) -> None:
    for number in range(20):
        scribe.activity(number, number + 0.5, number + 3.5)
    spans = lane(story_of(scribe, now_ms), "activity").spans
    scale = Scale([], spans[0].scheduled_ms, spans[-1].ended_ms or 0, 0.0, 900.0)
    bars = packing.pack(spans, scale, now_ms)
    assert bars is not None
    for row in {bar.row for bar in bars}:
        mine = sorted((bar.left, bar.right) for bar in bars if bar.row == row)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(mine))
    assert len({bar.row for bar in bars}) == 4


def test_too_many_bars_are_summed_up(scribe: Any, now_ms: int) -> None:
    for number in range(packing.MOST_BARS + 1):
        scribe.activity(number, number + 0.25, number + 0.5, "Failed" if number % 100 == 7 else "Completed")
    picture = picture_of(scribe, now_ms)
    [crowd] = [group for group in picture.iter("g") if group.get("class") == "crowd"]
    assert "401 in all, at most 1 open at a time" in "".join(crowd.itertext())
    failed = [link for link in picture.iter("a") if link.get("class") == "span failed"]
    assert len(failed) == 4
    assert len(list(picture.iter())) < 100


def test_every_outcome_and_every_mark_has_a_shape_of_its_own() -> None:
    shapes = [glyphs.of_outcome(outcome, 0, 0) for outcome in timeline.Outcome]
    shapes += [glyphs.of_mark(kind, 0, 0) for kind in ("signal", "cancel", "marker")]
    assert len(set(shapes)) == len(shapes)


def test_a_failure_is_marked_and_leads_to_its_event(scribe: Any, now_ms: int) -> None:
    scribe.activity(1, 2, 3)
    first = scribe.activity(4, 5, 6, "Failed", reason="declined")
    late = scribe.activity(6, None, 9, "TimedOut", timeoutType="SCHEDULE_TO_START")
    links = {link.get("href"): link for link in picture_of(scribe, now_ms).iter("a")}
    assert links[f"#event-{first}"].get("class") == "span failed"
    assert links[f"#event-{late}"].get("class") == "span timed-out"
    assert links[f"#event-{first}"].find("path") is not None
    assert links[f"#event-{late}"].find("path") is not None
    assert links["#event-2"].find("path") is None


def test_what_is_pointed_at_tells_its_times(scribe: Any, now_ms: int) -> None:
    first = scribe.activity(4, 5, 6.5, "Failed", reason="declined")
    titles = [link.findtext("title") or "" for link in picture_of(scribe, now_ms).iter("a")]
    assert f"at 4 s, waited 1 s, took 1.5 s: failed (declined)\nevents {first} to {first + 2}" in titles[-1]


def test_hostile_names_stay_text(scribe: Any, now_ms: int) -> None:
    scribe.activity(1, 2, 3, name='"><script>alert(1)</script>\u202e')
    drawn = timeline.draw(story_of(scribe, now_ms), lambda _: '"onload="x')
    assert "<script" not in drawn
    assert "\u202e" not in drawn
    assert not any("onload" in name for node in ElementTree.fromstring(drawn).iter() for name in node.attrib)


def test_a_window_shows_only_what_reaches_into_it(scribe: Any, now_ms: int, at_ms: Callable[[float], int]) -> None:
    for number in range(10):
        scribe.activity(number * 10, number * 10 + 1, number * 10 + 2, name=f"kind{number}")
    drawn = timeline.draw(story_of(scribe, now_ms), str, (at_ms(30), at_ms(45)))
    shown = {link.get("href") for link in ElementTree.fromstring(drawn).iter("a")}
    assert shown == {"1", "11", "14"}


def test_lanes_are_bounded(scribe: Any, now_ms: int) -> None:
    for number in range(200):
        scribe.activity(number, number + 0.5, number + 1, name=f"kind{number}")
    lanes = [group for group in picture_of(scribe, now_ms).iter("g") if (group.get("class") or "").startswith("lane")]
    assert len(lanes) == 61
    assert "141 other kinds" in "".join(lanes[-1].itertext())
