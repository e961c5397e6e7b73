"""The requests of one worker process that are not answered yet."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from elbflow import flag
from elbflow_agent.ipc import messages


@dataclass(slots=True, eq=False)
class Pending:
    """One request. It is published again after every :meth:`renew`."""

    instance_id: str
    id: str
    _reply: messages.Reply | None = None
    _news: flag.Flag = field(default_factory=flag.Flag)

    @property
    def is_answered(self) -> bool:
        return self._reply is not None

    def ask_again(self) -> None:
        """A publication begins; a later :meth:`renew` asks for one more."""
        self._news.clear()

    async def wait(self) -> messages.Reply | None:
        """The reply, or None when the request should be published again."""
        if self._reply is None:
            await self._news.wait()
        return self._reply

    def renew(self) -> None:
        """The request may be lost."""
        self._news.set()

    def answer(self, reply: messages.Reply) -> None:
        """The first reply counts."""
        if self._reply is None:
            self._reply = reply
        self._news.set()


class PendingRequests:
    """All of them, by id and by VM."""

    def __init__(self) -> None:
        self._by_id: dict[str, Pending] = {}
        self.abandoned: deque[tuple[str, str]] = deque()
        """Instance id and request id of what nobody waits for and whose servo has not heard of that."""

    def add(self, instance_id: str, request_id: str) -> Pending:
        """A new request to a VM's servo."""
        pending = self._by_id[request_id] = Pending(instance_id, request_id)
        return pending

    def remove(self, pending: Pending) -> None:
        """It is over: replies meet nobody from now on."""
        del self._by_id[pending.id]

    def abandon(self, pending: Pending) -> None:
        """Nobody waits for it any more, and its servo should hear of that."""
        self.abandoned.append((pending.instance_id, pending.id))

    def deliver(self, reply: messages.Reply) -> None:
        """Hand a reply to the request it belongs to, if that still waits."""
        if (pending := self._by_id.get(reply.id)) is not None:
            pending.answer(reply)

    def renew(self, instance_id: str) -> None:
        """Have everything that was asked of this VM asked again."""
        for pending in self._by_id.values():
            if pending.instance_id == instance_id:
                pending.renew()

    def renew_all(self) -> None:
        """Have everything asked again."""
        for pending in self._by_id.values():
            pending.renew()

    def instances(self) -> list[str]:
        """The VMs that owe a reply."""
        return list({pending.instance_id: None for pending in self._by_id.values()})
