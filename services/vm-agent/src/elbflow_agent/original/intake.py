"""The servo's end: XML becomes the document in force (spec/vm-agent-data-plane 2.4, REQ-2.1, REQ-8.7)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import structlog

from elbflow import errors, turn
from elbflow.contract import document
from elbflow_agent import ipc
from elbflow_agent.original import composing, messages

if TYPE_CHECKING:
    from elbflow_agent.original import reading

_log = structlog.get_logger(__name__)
_MOST_WAITING = 512
"""Policies that no specification has asked for; of more the oldest is forgotten. It will be sent again."""


class Unowned(errors.Permanent):
    """Whose load balancer it is has not been said: set ELBFLOW_AGENT_ACCOUNT, or loadbalancer_owner_account."""


class Overtaken(errors.Retryable):
    """Another control plane sent a document meanwhile."""


class Serving(Protocol):
    """What is asked of the servo."""

    @property
    def in_force(self) -> document.LoadBalancerDocument | None: ...

    async def apply(self, wanted: document.LoadBalancerDocument) -> document.Applied: ...


class Intake:
    """Takes one message after the other, in the order of their coming.

    What is invalid raises, and changes nothing; cancelled, a message may have been applied or not.
    """

    def __init__(self, servo: Serving, account: str | None) -> None:
        self._servo = servo
        self._account = account
        self._waiting: dict[str, document.Policy] = {}
        self._turn = turn.Turn()

    async def set_load_balancer(self, text: str) -> None:
        """Serve what ``text`` says, with the policies that are known."""
        async with self._turn:
            current = self._servo.in_force
            account = self._account or (current.key.account if current is not None else None)
            if account is None:
                raise Unowned
            read = await asyncio.to_thread(_load_balancer, text, account)
            if read.left_out:
                _log.warning("original_listeners_left_out", listeners=read.left_out)
            wanted = composing.complete(read.document, current, self._waiting.values())
            await self._apply(wanted)
            if composing.is_whole(wanted):  # otherwise what still comes may refer to them
                self._waiting.clear()

    async def set_policy(self, text: str) -> None:
        """Keep the policy of ``text``; if the document in force refers to it, serve that with it."""
        async with self._turn:
            for policy in await asyncio.to_thread(_policies, text):
                self._waiting.pop(policy.name, None)
                self._waiting[policy.name] = policy
            while len(self._waiting) > _MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]
            current = self._servo.in_force
            if current is None:
                return
            wanted = composing.renewed(current, self._waiting.values())
            if wanted.content_hash() != current.content_hash():
                await self._apply(wanted)

    async def _apply(self, wanted: document.LoadBalancerDocument) -> None:
        applied = await self._servo.apply(wanted)
        if applied.content_hash != wanted.content_hash():
            raise Overtaken


# Most agents never meet such a document, so what reads it is loaded with the first one: 120 KB, and its library.
def _load_balancer(text: str, account: str) -> reading.Read:
    from elbflow_agent.original import reading

    return reading.load_balancer(text, account)


def _policies(text: str) -> tuple[document.Policy, ...]:
    from elbflow_agent.original import reading

    return reading.policies(text)


def bind(handlers: ipc.Handlers, servo: Serving, account: str | None) -> None:
    """Have ``servo`` take the original's messages too; ``account`` owns the load balancer."""
    intake = Intake(servo, account)
    handlers.bind(messages.SET_LOAD_BALANCER, intake.set_load_balancer)
    handlers.bind(messages.SET_POLICY, intake.set_policy)
