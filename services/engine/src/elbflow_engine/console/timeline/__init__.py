"""One execution as a picture: lanes of bars over time, drawn as SVG on the server.

:func:`read` turns a history into lanes, :func:`draw` lanes into a picture. Both are pure and may take a while for a
long history: call them in a thread.
"""

from __future__ import annotations

from elbflow_engine.console.timeline.drawing import draw
from elbflow_engine.console.timeline.model import Lane, Mark, Outcome, Span, Story
from elbflow_engine.console.timeline.reading import read

__all__ = ["Lane", "Mark", "Outcome", "Span", "Story", "draw", "read"]
