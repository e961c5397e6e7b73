"""What is wrong with listeners, in words for their owner: as VMs say it, for descriptions (spec/vm-agent REQ-1.2).

AWS has no such thing: its listeners work. Ours say it where AWS leaves room for free text, and in an element that
clients made from AWS's model skip.
"""

from __future__ import annotations

from collections.abc import Iterable

from elbflow import store
from elbflow.contract import document
from elbflow.store import documents

_LONGEST = 1000


def concerning(lb: store.LoadBalancer, backend: store.Backend) -> str:
    """Sentences about the listeners of VMs that send ``backend`` traffic; empty when all is well."""
    everywhere = lb.attributes.cross_zone or backend.zone is None
    vms = (vm for vm in documents.talking_vms(lb) if everywhere or vm.zone == backend.zone)
    ports = {document.WHOLE, *(listener.port for listener in lb.listeners)}
    text = " ".join(dict.fromkeys(_sentence(each) for vm in vms for each in vm.problems if each.port in ports))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def of_listener(port: int, problems: Iterable[document.ListenerProblem]) -> list[str]:
    """The same of one listener, a sentence each; of none of them, but of the load balancer, for ``document.WHOLE``."""
    return list(dict.fromkeys(_sentence(each) for each in problems if each.port == port))


def _sentence(problem: document.ListenerProblem) -> str:
    if problem.port == document.WHOLE:
        return f"{problem.reason.rstrip('.')}."
    what = ":" if problem.is_served else " is not served:"
    return f"Listener {problem.port}{what} {problem.reason.rstrip('.')}."
