"""Pure: a whole document from a specification and policies that came before or after it (REQ-2.4, REQ-1.2).

The original sends policies one by one, and again with each specification. A document names those that it needs, also
when they have not come, and holds those that have: so the one in force is all that has to be remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from elbflow.contract import document
from elbflow_agent.haproxy import authentication

_KEY_NAME = "PublicKeyPolicyName"

_Known = Mapping[str, document.Policy]


def complete(
    told: document.LoadBalancerDocument,
    current: document.LoadBalancerDocument | None,
    arrived: Iterable[document.Policy],
) -> document.LoadBalancerDocument:
    """``told`` with the policies it refers to: its own, else what ``arrived``, else those of ``current``.

    Others are forgotten. A listener that lacks some is not served, unless ``current`` serves its port: then that goes
    on as it is. The generation is that of ``current``, so that of two control planes the last one counts.
    """
    former = current if current is not None and current.key == told.key else replace(told, listeners=(), policies=())
    known = {each.name: each for each in (*former.policies, *arrived, *told.policies)}
    before = {each.port: each for each in former.listeners if not _missing(each, former, known)}
    kept = {
        each.port: before[each.port] for each in told.listeners if each.port in before and _missing(each, told, known)
    }
    spoken_for = {each.instance_port for each in kept.values()}
    wanted = replace(
        told,
        generation=current.generation if current is not None else 0,
        listeners=tuple(kept.get(each.port, each) for each in told.listeners),
        backend_policies=(
            *(each for each in told.backend_policies if each.instance_port not in spoken_for),
            *(each for each in former.backend_policies if each.instance_port in spoken_for),
        ),
    )
    return replace(wanted, policies=_chosen(wanted, known))


def renewed(
    current: document.LoadBalancerDocument, arrived: Iterable[document.Policy]
) -> document.LoadBalancerDocument:
    """``current`` with what ``arrived``, as far as it refers to that."""
    known = {each.name: each for each in (*current.policies, *arrived)}
    return replace(current, policies=_chosen(current, known))


def is_whole(wanted: document.LoadBalancerDocument) -> bool:
    """Whether it holds every policy that it refers to."""
    known = {each.name: each for each in wanted.policies}
    return not any(_missing(each, wanted, known) for each in wanted.listeners)


def _chosen(wanted: document.LoadBalancerDocument, known: _Known) -> tuple[document.Policy, ...]:
    names = {name for each in wanted.listeners for name in each.policy_names}
    names |= {name for each in wanted.backend_policies for name in each.policy_names}
    return tuple(known[name] for name in sorted(_with_keys(names, known) & known.keys()))


def _missing(listener: document.Listener, wanted: document.LoadBalancerDocument, known: _Known) -> frozenset[str]:
    names = {*listener.policy_names}
    for each in wanted.backend_policies:
        if each.instance_port == listener.instance_port:
            names.update(each.policy_names)
    return _with_keys(names, known) - known.keys()


def _with_keys(names: set[str], known: _Known) -> frozenset[str]:
    """``names``, and those of the public keys that policies among them refer to."""
    authenticating = [known[name] for name in names if name in known and known[name].type_name == authentication.POLICY]
    keys = {value for policy in authenticating for name, value in policy.attributes if name == _KEY_NAME}
    return frozenset(names | keys)
