"""The original's control plane as another one that may drive a VM (spec/vm-agent-data-plane 2, 8, REQ-9.1).

Its calls are told by their form. What it says, XML, becomes the document that our own control plane sends whole;
whichever of the two came last is in force. The worker reads the form of calls and answers in it, the servo reads the
XML and keeps the policies, so that either may die alone.
"""

from __future__ import annotations

from elbflow_agent.original.activities import Activities, beside
from elbflow_agent.original.intake import bind

__all__ = ["Activities", "beside", "bind"]
