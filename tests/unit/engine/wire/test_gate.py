"""Limits on connections, with pretended ones (spec/swf-long-poll-scale 6.8)."""

from __future__ import annotations

import asyncio
import random
import resource
from typing import Any

import pytest

from elbflow_engine.wire import Capacity, gate, patience


class Peer:
    def __init__(self, watch: gate.Gate | None = None) -> None:
        self.watch = watch
        self.held_bytes = 0
        self.receiving = False
        self.fate = ""

    def overloaded(self) -> None:
        self.fate = "overloaded"

    def overdue(self) -> None:
        self.fate = "overdue"

    def hang_up(self) -> None:
        self.fate = "hung up"
        if self.watch is not None:
            self.watch.leave(self)


@pytest.fixture
def reasons() -> list[str]:
    return []


def receive(watch: gate.Gate, peer: Peer, count: int, *, whole: bool = False) -> None:
    peer.receiving = not whole
    watch.received(peer, count)


async def test_everybody_gets_the_same_time_and_only_once() -> None:
    lost: list[str] = []
    waiting: patience.Patience[str] = patience.Patience(0.05, lost.append)
    for name in "abcd":
        waiting.begin(name)
    await asyncio.sleep(0.03)
    waiting.begin("a")
    waiting.done("b")
    waiting.begin("b")
    waiting.done("d")
    waiting.done("nobody")
    await asyncio.sleep(0.03)
    assert lost == ["a", "c"]
    await asyncio.sleep(0.03)
    assert lost == ["a", "c", "b"]
    waiting.begin("e")
    waiting.close()
    await asyncio.sleep(0.07)
    assert (lost, len(waiting)) == (["a", "c", "b"], 1)


async def test_the_hard_limit_refuses_and_the_soft_one_is_told(reasons: list[str]) -> None:
    watch = gate.Gate(Capacity(connections=10), reasons.append)
    peers = [Peer() for _ in range(11)]
    assert [watch.enter(peer) for peer in peers[:9]] == [True] * 9
    assert not watch.crowded
    assert watch.enter(peers[9])
    assert watch.crowded
    assert not watch.enter(peers[10])
    watch.leave(peers[0])
    assert (watch.connections, watch.crowded, reasons) == (9, False, ["connections"])
    watch.shut()


async def test_small_requests_are_never_turned_away(reasons: list[str]) -> None:
    watch = gate.Gate(Capacity(connections=100, request_bytes=10_000), reasons.append)
    for _ in range(20):
        receive(watch, Peer(), gate.SMALL_BYTES, whole=True)
    assert (reasons, watch.bytes_in_flight) == ([], 20 * gate.SMALL_BYTES)


async def test_the_oldest_unfinished_body_makes_room(reasons: list[str]) -> None:
    watch = gate.Gate(Capacity(connections=100, request_bytes=20_000), reasons.append)
    whole, slow, slower, newest = (Peer() for _ in range(4))
    receive(watch, whole, 6_000, whole=True)
    receive(watch, slow, 6_000)
    receive(watch, slower, 6_000)
    receive(watch, newest, 6_000)
    assert [peer.fate for peer in (whole, slow, slower, newest)] == ["", "overloaded", "", ""]
    receive(watch, slower, 1_000, whole=True)
    receive(watch, newest, 5_000)
    assert newest.fate == "overloaded"
    assert (watch.bytes_in_flight, reasons) == (13_000, ["bytes", "bytes"])


async def test_a_whole_request_too_many_is_turned_away_itself(reasons: list[str]) -> None:
    watch = gate.Gate(Capacity(connections=100, request_bytes=20_000), reasons.append)
    first, second = Peer(), Peer()
    receive(watch, first, 15_000, whole=True)
    receive(watch, second, 15_000, whole=True)
    assert (first.fate, second.fate, watch.bytes_in_flight) == ("", "overloaded", 15_000)
    watch.settled(first)
    assert watch.bytes_in_flight == 0


async def test_bytes_are_bounded_whatever_happens(reasons: list[str]) -> None:
    chance = random.Random(7)
    watch = gate.Gate(Capacity(connections=50, request_bytes=100_000), reasons.append)
    peers: list[Peer] = []
    for _ in range(5_000):
        turn = chance.random()
        if turn < 0.2 and watch.enter(arrived := Peer()):
            peers.append(arrived)
        elif peers and turn < 0.8:
            receive(watch, chance.choice(peers), chance.randrange(30_000), whole=chance.random() < 0.3)
        elif peers and turn < 0.9:
            watch.settled(chance.choice(peers))
        for gone in [peer for peer in peers if peer.fate or chance.random() < 0.01]:
            peers.remove(gone)
            watch.leave(gone)
        assert watch.bytes_in_flight == sum(peer.held_bytes for peer in peers)
        assert watch.bytes_in_flight <= 100_000 + gate.SMALL_BYTES * len(peers)
        assert watch.connections == len(peers)
    assert "bytes" in reasons
    watch.shut()


async def test_silence_and_unread_answers_end_a_connection(reasons: list[str]) -> None:
    watch = gate.Gate(Capacity(connections=10, head_s=0.02, unread_s=0.02), reasons.append)
    silent, unread, fine = (Peer(watch) for _ in range(3))
    for peer in (silent, unread, fine):
        watch.enter(peer)
    watch.head_done(unread)
    watch.head_done(fine)
    watch.unread(unread)
    watch.unread(fine)
    watch.read(fine)
    await asyncio.sleep(0.06)
    assert [silent.fate, unread.fate, fine.fate] == ["hung up", "hung up", ""]
    assert sorted(reasons) == ["silent", "unread_answer"]
    watch.shut()


@pytest.mark.parametrize(("files", "expected"), [(1024, 819), (100_000, 12_000), (resource.RLIM_INFINITY, 12_000)])
def test_the_default_follows_the_limit_of_open_files(
    monkeypatch: pytest.MonkeyPatch, files: int, expected: int
) -> None:
    def limit(_: Any) -> tuple[int, int]:
        return files, files

    monkeypatch.setattr(resource, "getrlimit", limit)
    assert gate.default_connections() == expected
