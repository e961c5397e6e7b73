"""What HAProxy was proved to be, from which the next change may begin without a look (spec/vm-agent REQ-1.2).

Nobody else changes servers, so after a pass its outcome is known, and of the questions about the next one those that
come before it would only tell the same once more. The look afterwards shows all of HAProxy in any case: who did
interfere, or whether it was started anew, shows there, and then the pass is made again with a look at its beginning.
"""

from __future__ import annotations

from dataclasses import dataclass

from elbflow_agent.haproxy import model, running, steps


@dataclass(frozen=True, slots=True)
class Proven:
    """Version ``tag`` of ``served``, by a worker without servers that leave; old workers are told of elsewhere."""

    master: int
    worker: int
    tag: str
    served: model.Model

    def leads_to(self, wanted: model.Model, wanted_tag: str) -> bool:
        """Whether servers, and nothing else, have to change. A pass that changes nothing is for the look."""
        if self.tag != wanted_tag or self.served.ports != wanted.ports:
            return False
        pairs = zip(self.served.listeners, wanted.listeners, strict=True)
        return any(before.servers != after.servers for before, after in pairs)

    @property
    def processes(self) -> running.Processes:
        """What the master would say while there are no old workers."""
        return running.Processes(self.master, self.worker)

    def telling(self) -> steps.Steps[running.Running]:
        """What the worker would say, in steps."""
        servers: dict[running.ServerKey, running.Situated] = {}
        for listener in self.served.listeners:
            backend = listener.backend
            servers.update({(backend, each.name): each for each in listener.servers})
            yield len(listener.servers)
        return running.Running(self.tag, self.worker, servers, self.served.ports)

    @property
    def running(self) -> running.Running:
        """:meth:`telling` in one go."""
        return steps.at_once(self.telling())
