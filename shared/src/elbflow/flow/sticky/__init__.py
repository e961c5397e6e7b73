"""Sticky execution: runs stay in memory between decisions, and SWF brings only what is new (design section 4).

Each worker process has a task list of its own; its answers ask SWF to send the execution's next decision tasks there,
where they are polled with ``startAtPreviousStartedEvent``. A run in memory is used only while its last answer is known
to be the last that SWF accepted; in any other case the whole history is fetched and replayed (spec/swf-semantics 3.6).
"""

from __future__ import annotations

from elbflow.flow.sticky.affinity import Affinity, Override
from elbflow.flow.sticky.cache import Cache, Held
from elbflow.flow.sticky.decider import Answer, Decider
from elbflow.flow.sticky.history import History
from elbflow.flow.sticky.settings import Sticky

__all__ = ["Affinity", "Answer", "Cache", "Decider", "Held", "History", "Override", "Sticky"]
