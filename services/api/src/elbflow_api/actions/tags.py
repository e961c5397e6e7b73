"""AddTags and RemoveTags (spec/elb-control-plane 1.8). The VMs do not hear of tags."""

from __future__ import annotations

from collections.abc import Sequence

from elbflow import store
from elbflow.contract import document
from elbflow_api import query
from elbflow_api.dependencies import Call, Dependencies, active
from elbflow_api.rules import tags


async def add_tags(call: Call, room: Dependencies) -> query.Response:
    """Add tags, or set the values of those that are there; to all the load balancers or to none."""
    wanted = tags.read(call.params.structures("Tags"), room.settings.max_tags)
    keys = _keys(call, room)
    async with room.db.transaction() as tx:
        for lb in await _all(tx, keys):
            tags.require_room(lb.tags, wanted, room.settings.max_tags)
            await tx.load_balancers.put_tags(lb.id, wanted)
    return {}


async def remove_tags(call: Call, room: Dependencies) -> query.Response:
    """Remove tags from all the load balancers or from none; keys that they do not have are ignored."""
    wanted = tags.read_keys(call.params.structures("Tags"))
    keys = _keys(call, room)
    async with room.db.transaction() as tx:
        for lb in await _all(tx, keys):
            await tx.load_balancers.remove_tags(lb.id, wanted)
    return {}


def _keys(call: Call, room: Dependencies) -> list[document.LoadBalancerKey]:
    """The load balancers meant, each once; AWS takes one."""
    most = room.settings.max_tagged_load_balancers
    names = {name.lower(): name for name in call.params.texts("LoadBalancerNames")}
    if not names:
        raise query.validation_error("At least one Load Balancer must be specified")
    if len(names) > most:
        few = "one Load Balancer" if most == 1 else f"{most} Load Balancers"
        raise query.validation_error(f"Only {few} can be specified")
    return [document.LoadBalancerKey(call.caller.account, names[one]) for one in sorted(names)]


async def _all(tx: store.Repositories, keys: Sequence[document.LoadBalancerKey]) -> list[store.LoadBalancer]:
    """The load balancers, kept from other writers in the order of their names; raises ``LoadBalancerNotFound``."""
    return [await active(tx, key, for_update=True) for key in keys]
