"""A complete SWF in process, for tests on virtual time: no HTTP, no disk, no waiting.

:class:`SwfDouble` implements :class:`elbflow.swf.Service` on the engine's own core, so what a test sees is what the
server would do: parked polls, timeouts, history paging, faults. :class:`FaultSchedule` makes it misbehave on purpose.
:class:`Bench` drives the bare core step by step, :class:`Simulation` thousands of executions through virtual weeks.
"""

from __future__ import annotations

from elbflow_engine.testing.bench import Bench, decision
from elbflow_engine.testing.double import SwfDouble
from elbflow_engine.testing.faults import FaultSchedule
from elbflow_engine.testing.host import EngineDied, EngineHost
from elbflow_engine.testing.memory import MemoryJournal
from elbflow_engine.testing.simulation import Simulation

__all__ = ["Bench", "EngineDied", "EngineHost", "FaultSchedule", "MemoryJournal", "Simulation", "SwfDouble", "decision"]
