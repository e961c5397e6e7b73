"""One scaling group of the local cloud as a value: who is a member, who is to be launched, who is doomed.

An instance id is written down before its VM is launched and struck out after it is gone, so a process that dies in
between leaves a plan that the next one finishes. Pure: ids come from the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace

import pydantic

from elbflow.contract import document
from elbflow_activities.cloud import base


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """What the store keeps of a scaling group.

    ``members`` says of each instance id whether its VM was ever launched; ``doomed`` ones are to be terminated. A
    ``deleting`` group is gone as soon as nobody in it is doomed.
    """

    account: str
    load_balancer: str
    zone: str
    capacity: int
    instance_profile: str
    security_group: str
    members: Mapping[str, bool]
    doomed: tuple[str, ...] = ()
    deleting: bool = False
    subnet_id: str | None = None
    group_ids: tuple[str, ...] = ()

    @classmethod
    def planned(cls, plan: base.ScalingGroupPlan, before: GroupRecord | None, new_id: Callable[[], str]) -> GroupRecord:
        """What ``plan`` asks for, keeping the VMs that are there."""
        empty = cls(
            plan.key.account,
            plan.key.name,
            plan.zone,
            0,
            plan.instance_profile,
            plan.security_group,
            members={},
            subnet_id=plan.subnet_id,
            group_ids=plan.group_ids,
        )
        kept = empty if before is None else replace(empty, members=before.members, doomed=before.doomed)
        return kept.resized(plan.capacity, new_id)

    @classmethod
    def from_data(cls, data: Mapping[str, object]) -> GroupRecord:
        return _RECORD.validate_python(data)

    def to_data(self) -> dict[str, object]:
        return asdict(replace(self, members=dict(self.members)))

    @property
    def key(self) -> document.LoadBalancerKey:
        return document.LoadBalancerKey(self.account, self.load_balancer)

    @property
    def unlaunched(self) -> tuple[str, ...]:
        return tuple(one for one, launched in self.members.items() if not launched)

    @property
    def is_open(self) -> bool:
        """Whether the host has something to do for it."""
        return bool(self.unlaunched or self.doomed or self.deleting)

    def resized(self, capacity: int, new_id: Callable[[], str]) -> GroupRecord:
        """With new ids up to ``capacity``, or with the youngest members beyond it doomed."""
        kept = dict(list(self.members.items())[:capacity])
        while len(kept) < capacity:
            kept[new_id()] = False
        doomed = (*self.doomed, *(one for one in self.members if one not in kept))
        return replace(self, capacity=capacity, members=kept, doomed=doomed)

    def deleted(self) -> GroupRecord:
        """With all members doomed, to disappear after them."""
        return replace(self, capacity=0, members={}, doomed=(*self.doomed, *self.members), deleting=True)

    def without(self, instance_id: str) -> GroupRecord:
        """With the member doomed; nothing changes when it is none."""
        if instance_id not in self.members:
            return self
        left = {one: launched for one, launched in self.members.items() if one != instance_id}
        return replace(self, members=left, doomed=(*self.doomed, instance_id))

    def repaired(self, running: Collection[str], failed: Collection[str], new_id: Callable[[], str]) -> GroupRecord:
        """With members replaced that were launched but do not run, or that failed."""
        record = self
        for one, launched in self.members.items():
            if one in failed or (launched and one not in running):
                record = record.without(one)
        return record.resized(record.capacity, new_id)

    def settled(self, launched: Collection[str], terminated: Collection[str]) -> GroupRecord:
        """After the host did what was asked for."""
        members = {one: before or one in launched for one, before in self.members.items()}
        return replace(self, members=members, doomed=tuple(one for one in self.doomed if one not in terminated))


_RECORD = pydantic.TypeAdapter(GroupRecord)
