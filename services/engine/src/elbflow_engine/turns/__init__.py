"""Who is served when not all can be: fair turns, and what is refused first (spec/swf-long-poll-scale 6.7, 6.8)."""

from __future__ import annotations

from elbflow_engine.turns.load import Load
from elbflow_engine.turns.queue import AGED_EVERY, QUANTUM, FairQueue, Tenant, Ticket
from elbflow_engine.turns.ranks import LARGEST_COST, Rank, Shed, cost, rank, shed
from elbflow_engine.turns.shedding import Shedding
from elbflow_engine.turns.turnstile import Observer, Shares, Turnstile

__all__ = [
    "AGED_EVERY",
    "LARGEST_COST",
    "QUANTUM",
    "FairQueue",
    "Load",
    "Observer",
    "Rank",
    "Shares",
    "Shed",
    "Shedding",
    "Tenant",
    "Ticket",
    "Turnstile",
    "cost",
    "rank",
    "shed",
]
