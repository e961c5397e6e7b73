"""A burst is spread over turns of the loop; who is used to quick answers goes first; no byte changes its place."""

from __future__ import annotations

import asyncio
import itertools

from elbflow_engine.wire import intake


class Line:
    def __init__(self, name: str, fed: list[tuple[str, bytes]], *, patient: bool = True) -> None:
        self.name = name
        self.patient = patient
        self.unfed: list[bytes] | None = None
        self._fed = fed

    def feed(self, data: bytes) -> None:
        self._fed.append((self.name, data))


async def test_a_turn_begins_no_more_than_it_may() -> None:
    into, fed = intake.Intake(), list[tuple[str, bytes]]()
    for number in range(3 * intake.MOST_PER_TURN):
        into.take(Line(str(number), fed), b"x")
    seen = [len(fed)]
    while len(fed) < 3 * intake.MOST_PER_TURN:
        await asyncio.sleep(0)
        seen.append(len(fed))
    assert max(later - before for before, later in itertools.pairwise(seen)) <= intake.MOST_PER_TURN
    assert [name for name, _ in fed] == [str(number) for number in range(3 * intake.MOST_PER_TURN)]


async def test_prompt_lines_pass_those_that_can_wait_but_do_not_starve_them() -> None:
    into, fed = intake.Intake(), list[tuple[str, bytes]]()
    for number in range(4 * intake.MOST_PER_TURN):
        into.take(Line(f"poll-{number}", fed), b"x")
    for number in range(2 * intake.MOST_PER_TURN):
        into.take(Line(f"call-{number}", fed, patient=False), b"x")
    del fed[:]
    await asyncio.sleep(0)
    turn = [name.partition("-")[0] for name, _ in fed]
    assert turn.count("poll") == intake.PATIENT_PER_TURN
    assert turn.count("call") == intake.MOST_PER_TURN - intake.PATIENT_PER_TURN
    assert turn[0] == "call"


async def test_bytes_of_one_line_stay_in_order_when_it_changes_its_class_while_it_waits() -> None:
    into, fed = intake.Intake(), list[tuple[str, bytes]]()
    for number in range(2 * intake.MOST_PER_TURN):
        into.take(Line(str(number), fed), b"x")
    line = Line("changing", fed)
    into.take(line, b"first ")
    line.patient = False
    into.take(line, b"second")
    while line.unfed is not None:
        await asyncio.sleep(0)
    into.take(line, b"third")
    for _ in range(3):
        await asyncio.sleep(0)
    assert [data for name, data in fed if name == "changing"] == [b"first second", b"third"]
