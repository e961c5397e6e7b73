"""Who may do what: policies of users and roles, and what only administrators may (spec/elb-control-plane 1.3).

An operation that a caller may do on no load balancer is refused as AWS refuses it. One that he may do on others is
answered as if the load balancer did not exist, so that nobody learns of what he may not see.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence

from elbflow.contract import document
from elbflow.service import policies
from elbflow_api import faults, grants, naming_back, query, tag_context
from elbflow_api.dependencies import Call, Dependencies
from elbflow_api.rules import limits, tags

SERVICE = "elasticloadbalancing"
QUOTA_KEY = "elasticloadbalancing:quota-loadbalancernumber"
"""Condition key of Limit statements; it counts the whole account's load balancers, also for a single user."""

_VERBOSE = "verbose"
_LISTING = ("DescribeLoadBalancers", "DescribeTags")
_FOUND_BY_DNS_NAME = ("DescribeInstanceHealth", "DescribeLoadBalancerPolicies", "DescribeLoadBalancerAttributes")
_FOUND_BY_DNS_NAME_FOR_ADMINISTRATORS = ("DeleteLoadBalancer",)
_COUNTED = (
    "CreateLoadBalancer",
    "CreateLoadBalancerListeners",
    "DescribeAccountLimits",
    "RegisterInstancesWithLoadBalancer",
)
_CREATE, _ADD_TAGS = "CreateLoadBalancer", "AddTags"
_TAGGING = (_ADD_TAGS, "RemoveTags")
_TAG_PREFIXES = (tag_context.RESOURCE_PREFIX, f"{SERVICE}:resourcetag/")
_LONGEST_NAME = 255
"""No load balancer has a longer name; patterns are not compared with more."""
_AT_ONCE = 20
"""Names that are judged before others get their turn: callers choose how many there are, and policies to try."""


async def admit(operation: str, call: Call, room: Dependencies) -> Call:
    """The call as its caller may make it, with what a list may show to him.

    Raises ``AccessDenied`` for what he may never do and ``LoadBalancerNotFound`` for load balancers that are not his to
    know of.
    """
    call = await _resolved(operation, _widened(operation, call), room)
    held = await grants.of(call.caller, room.db)
    if operation in _COUNTED:
        call = await _counted(operation, call, held, room)
    if held is None:
        return call
    tags.refuse_flood(call.params.structures("Tags"), room.settings.max_tags)
    judge = _Judge(operation, call, held, room)
    names = _names(call.params)
    await judge.require(names)
    lists = operation in _LISTING and (not names or judge.skips)
    return dataclasses.replace(call, may_see=judge.allowed) if lists else call


def arn(region: str, key: document.LoadBalancerKey) -> str:
    """The load balancer as policies name it."""
    return f"arn:aws:{SERVICE}:{region}:{key.account}:loadbalancer/{key.name}"


class _Judge:
    """Applies one caller's policies to one operation."""

    def __init__(self, operation: str, call: Call, held: grants.Grants, room: Dependencies) -> None:
        self._operation = operation
        self._call = call
        self._held = held
        self._room = room
        self._context = {**held.context, **tag_context.of_request(call.params)}

    @property
    def skips(self) -> bool:
        """Whether load balancers that are not there are left out of the answer, though they were named."""
        return self._operation in _LISTING and self._room.settings.compatibility_unknown_names_skipped

    async def require(self, names: Sequence[str]) -> None:
        """Raise the fault when the caller may not do this to one of the load balancers."""
        action = f"{SERVICE}:{self._operation}"
        if not self._held.may_ever(action):
            raise self._refusal(f"{action} because no identity-based policy allows it")
        if self._operation == _CREATE:
            self._require_creation(action, names[0])
        elif names and not self.skips:
            names = self._judged(names)
            allowed = await self.allowed(names)
            for name in names:
                if name not in allowed:
                    raise faults.load_balancer_not_found(name)
        elif self._operation not in _LISTING:
            self._require_one(action, "*", self._context)

    async def allowed(self, names: Sequence[str]) -> frozenset[str]:
        """Those of the load balancers that the caller may do this to."""
        action = f"{SERVICE}:{self._operation}"
        known = [name for name in names if len(name) <= _LONGEST_NAME]
        tagged = await self._tags(known) if self._held.reads(_TAG_PREFIXES) else {}
        found: set[str] = set()
        for number, name in enumerate(known):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            context = {**self._context, **tagged.get(name.lower(), {})}
            if self._decision(action, self._arn(name), context) is policies.Decision.ALLOWED:
                found.add(name)
        return frozenset(found)

    def _judged(self, names: Sequence[str]) -> Sequence[str]:
        """Each name once, and no more of them than it takes to refuse a request for too many."""
        distinct = list({name.lower(): name for name in names}.values())
        most = self._room.settings.max_tagged_load_balancers if self._operation in _TAGGING else len(distinct)
        return distinct[: most + 1]

    def _require_creation(self, action: str, name: str) -> None:
        """Who gives tags to what he creates must be allowed to add such tags, as at AWS."""
        name = name[:_LONGEST_NAME]
        self._require_one(action, self._arn(name), self._context)
        if self._call.params.structures("Tags"):
            context = {**self._context, "elasticloadbalancing:createaction": (_CREATE,)}
            self._require_one(f"{SERVICE}:{_ADD_TAGS}", self._arn(name), context)

    def _require_one(self, action: str, resource: str, context: grants.Context) -> None:
        decision = self._decision(action, resource, context)
        if decision is policies.Decision.DENIED:
            raise self._refusal(f"{action} on resource: {resource} with an explicit deny in an identity-based policy")
        if decision is policies.Decision.NOT_ALLOWED:
            raise self._refusal(f"{action} on resource: {resource} because no identity-based policy allows it")

    def _decision(self, action: str, resource: str, context: grants.Context) -> policies.Decision:
        return self._held.decide(policies.Request(action, resource, context))

    def _refusal(self, what: str) -> query.Fault:
        message = f"User: {self._held.shown} is not authorized to perform: {what}"
        if self._operation == _CREATE and self._room.settings.compatibility_create_denied_as_internal_failure:
            return faults.internal_failure(message, status=400)
        return faults.access_denied(message)

    def _arn(self, name: str) -> str:
        named = self._call.named
        key = named if named is not None else document.LoadBalancerKey(self._call.caller.account, name)
        return arn(self._room.settings.arn_region, key)

    async def _tags(self, names: Sequence[str]) -> dict[str, grants.Context]:
        """The context that the load balancers' tags make, by lower-case name; in every state: users can delete all."""
        async with self._room.db.reading() as tx:
            found = await tx.load_balancers.page(self._call.caller.account, names=names, state=None, limit=len(names))
        return {lb.key.name.lower(): tag_context.of_resource(lb.tags, _TAG_PREFIXES) for lb in found}


def _names(params: query.Params) -> tuple[str, ...]:
    """The load balancers that the request names."""
    name = params.optional_text("LoadBalancerName")
    return (name,) if name is not None else params.texts("LoadBalancerNames")


def _widened(operation: str, call: Call) -> Call:
    """``verbose`` among the names: all accounts for administrators; for others it was never said."""
    names = call.params.texts("LoadBalancerNames") if operation in _LISTING else ()
    if _VERBOSE not in names:
        return call
    others = [name for name in names if name != _VERBOSE]
    return dataclasses.replace(
        call, params=call.params.replaced("LoadBalancerNames", others), every_account=call.caller.admin
    )


async def _resolved(operation: str, call: Call, room: Dependencies) -> Call:
    """A DNS name where one is understood stands for the load balancer it belongs to."""
    known = operation in _FOUND_BY_DNS_NAME or (
        operation in _FOUND_BY_DNS_NAME_FOR_ADMINISTRATORS and call.caller.admin
    )
    name = call.params.optional_text("LoadBalancerName")
    if not known or name is None or "." not in name:
        return call
    async with room.db.reading() as tx:
        for key in naming_back.candidates(name, room.settings.dns_suffix):
            lb = await tx.load_balancers.find(key)
            if lb is not None and lb.dns_name.lower() == name.lower() and _may_know(call, lb.key):
                return dataclasses.replace(
                    call, named=lb.key, params=call.params.replaced("LoadBalancerName", lb.key.name)
                )
    return call


def _may_know(call: Call, key: document.LoadBalancerKey) -> bool:
    return call.caller.admin or key.account == call.caller.account


async def _counted(operation: str, call: Call, held: grants.Grants | None, room: Dependencies) -> Call:
    """The call with its caller's quotas: those of the account, and what Limit statements say of the user."""
    async with room.db.reading() as tx:
        quotas = dict(await tx.accounts.quotas(call.caller.account))
    bound = held.limit(f"{SERVICE}:{_CREATE}", QUOTA_KEY) if held is not None and operation == _CREATE else None
    if bound is not None:  # who narrows his own session must not widen his account
        quotas[limits.LOAD_BALANCERS] = min(bound, limits.of(quotas, room.settings)[limits.LOAD_BALANCERS])
    return dataclasses.replace(call, quotas=quotas)
