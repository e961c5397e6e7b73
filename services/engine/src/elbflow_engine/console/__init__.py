"""The console: a few read-only pages about the engine, for people.

Rendered on the server, complete without JavaScript, live with it. Served at ``/console`` of the process's admin
server; it asks the engine as a client would (:mod:`.source`) and keeps nothing.
"""

from __future__ import annotations

from elbflow_engine.console.app import PREFIX, Console
from elbflow_engine.console.hosting import serving
from elbflow_engine.console.source import Source

__all__ = ["PREFIX", "Console", "Source", "serving"]
