"""The certificates of one VM: which of them HAProxy can use, and what serves while one is not to be had.

A listener that has served goes on with its former certificate until the wanted one is usable, also over a restart of
the agent: changing a certificate must never close a port.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping

import structlog

from elbflow import clock
from elbflow.contract import document
from elbflow_agent.certificates.model import Bundle, Missing, Source
from elbflow_agent.haproxy import keys, model, tls

_log = structlog.get_logger(__name__)
_UNSEEN = "0" * 40
_NONE = frozenset[str]()


class Shelf:
    """Examines what a source has and answers for listeners; used by one servo."""

    def __init__(self, source: Source, held: keys.Keys, time: clock.Clock) -> None:
        self._source = source
        self._keys = held
        self._clock = time
        self._wanted = _NONE
        self._examined: dict[str, str] = {}
        self._good: dict[str, keys.Material] = {}
        self._wrong: dict[str, str] = {}
        self._former: dict[int, keys.Material] = {}
        self._obstacle: str | None = None
        self._is_safe = False

    async def recall(self) -> None:
        """Start with what the listeners had before this process."""
        for port, bundle in (await self._keys.recall()).items():
            found = await _examined(bundle)
            if isinstance(found, keys.Material):
                self._former[port] = found
        self._hold()

    async def want(self, arns: frozenset[str]) -> None:
        """Have the source hold ``arns``; as long as it takes to try each of them, see :meth:`Source.want`."""
        if arns or self._wanted:
            self._wanted = arns
            await self._source.want(arns)

    async def refresh(self) -> None:
        """Take over what the source has now."""
        for gone in (self._good.keys() | self._wrong.keys()) - self._wanted:
            for known in (self._good, self._wrong, self._examined):
                known.pop(gone, None)
        for arn in sorted(self._wanted):
            match self._source.bundle(arn):
                case Missing(reason):
                    self._note(arn, reason)
                case bundle if self._examined.get(arn) != bundle.fingerprint:
                    await self._take(bundle)
        if self._wanted and not self._is_safe:
            self._obstacle = await self._keys.obstacle()
            self._is_safe = self._obstacle is None
        self._hold()

    def usable(self, arn: str, port: int) -> tls.Usable:
        """What the listener with ``arn`` on ``port`` is to serve; raises :class:`tls.Unusable` if there is nothing."""
        if self._obstacle is not None:
            raise tls.Unusable(self._obstacle)
        found, wrong = self._good.get(arn), self._wrong.get(arn)
        if found is None:
            late = f"certificate {arn} has not been fetched yet"
            found = self._former.get(port)
            if found is None:
                raise tls.Unusable(wrong or late)
            if wrong is None and found.arn != arn:
                wrong = late
        remarks = [f"{wrong}; the former one is served"] if wrong else []
        if self._clock.now() >= found.expires_at:
            remarks.append(f"certificate {found.arn} has expired")
        return tls.Usable(found.certificate, "; ".join(remarks) or None, found.elliptic)

    def expected(self, arn: str, port: int) -> tls.Usable:
        """Like :meth:`usable`, for plans: a certificate that nobody has fetched for this VM is taken to be usable."""
        if arn in self._wanted:
            return self.usable(arn, port)
        remark = f"certificate {arn} is fetched when this comes into force; whether it can be used shows then"
        return tls.Usable(model.Certificate(hashlib.sha256(arn.encode()).hexdigest(), _UNSEEN), remark)

    def served(self, now: Mapping[int, model.Certificate]) -> None:
        """HAProxy serves these certificates now, by port; those of other ports are forgotten."""
        self._former = {port: self._keys.material(each) for port, each in now.items()}
        self._hold()

    def ends(self) -> dict[int, float]:
        """When the certificates that are served end, in epoch seconds, by the port of their listener."""
        return {port: each.expires_at for port, each in sorted(self._former.items())}

    async def _take(self, bundle: Bundle) -> None:
        self._examined[bundle.arn] = bundle.fingerprint
        found = await _examined(bundle)
        if isinstance(found, keys.Material):
            self._good[bundle.arn] = found
            self._wrong.pop(bundle.arn, None)
        else:
            self._note(bundle.arn, f"certificate {bundle.arn} cannot be used: {found}")

    def _note(self, arn: str, reason: str) -> None:
        if self._wrong.get(arn) != reason:
            _log.warning("certificate_unusable", arn=arn, reason=reason)
        self._wrong[arn] = reason

    def _hold(self) -> None:
        self._keys.hold((*self._good.values(), *self._former.values()))


def named(wanted: document.LoadBalancerDocument | None) -> frozenset[str]:
    """ARNs of the certificates that a document needs."""
    listeners = wanted.listeners if wanted is not None else ()
    return frozenset(each.certificate_arn for each in listeners if each.certificate_arn)


async def _examined(bundle: Bundle) -> keys.Material | str:
    """The bundle as HAProxy takes it, or why it does not."""
    # Only here: most VMs never see a certificate, and the library behind this takes 13 MB.
    from elbflow_agent.haproxy import pem

    try:
        return await asyncio.to_thread(pem.examine, bundle)
    except tls.Unusable as reason:
        return str(reason)
