"""Certificates of listeners changed and looked at through HAProxy's runtime API, without a reload (REQ-3.3, F103)."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import structlog

from elbflow_agent import meters
from elbflow_agent.haproxy import compare, keys, model, place, runtime

_log = structlog.get_logger(__name__)
_LEAF = "SHA1 FingerPrint:"


class Outcome(enum.Enum):
    """What came of giving the worker its certificates."""

    NOTHING = enum.auto()
    CHANGED = enum.auto()
    RELOAD = enum.auto()


class Rotation:
    """Knows what the serving worker was given; one caller at a time."""

    def __init__(
        self, where: place.Place, held: keys.Keys, worker: runtime.Runtime, *, instruments: meters.Meters
    ) -> None:
        self._where = where
        self._keys = held
        self._runtime = worker
        self._meters = instruments
        self._pid: int | None = None
        self._given: dict[int, str] = {}
        self.is_stuck = False
        """HAProxy refused a certificate at run time; a reload, which is checked before, gets over that."""

    def loaded(self, pid: int, wanted: model.Model) -> None:
        """Worker ``pid`` has read the files of ``wanted``."""
        self._pid, self.is_stuck = pid, False
        self._given = {port: each.fingerprint for port, each in wanted.certificates.items()}

    async def install(self, pid: int, wanted: model.Model) -> Outcome:
        """Give worker ``pid`` the certificates it lacks; ``RELOAD`` when it refuses one and keeps the former.

        What it has is not known after a restart of the agent, and then all are given: HAProxy shows a leaf, not its
        chain.
        """
        if pid != self._pid:
            self._pid, self._given = pid, {}
        due = {port: each for port, each in wanted.certificates.items() if self._given.get(port) != each.fingerprint}
        if not due:
            return Outcome.NOTHING
        try:
            for port, certificate in due.items():
                await self._give(port, self._keys.material(certificate))
                self._given[port] = certificate.fingerprint
        except (runtime.Refused, runtime.Unreachable) as refusal:
            # Without a word HAProxy hangs up on a chain that is longer than its buffer for commands.
            _log.warning("certificate_needs_reload", reason=str(refusal))
            self.is_stuck = True
            return Outcome.RELOAD
        await self._keys.write(wanted)
        return Outcome.CHANGED

    async def differences(self, wanted: model.Model) -> tuple[compare.Difference, ...]:
        """Listeners whose leaf is not the wanted one; they are given theirs again by the next :meth:`install`."""
        shown = await self._shown(wanted.certificates)
        found = []
        for port, each in wanted.certificates.items():
            if shown.get(port) != each.leaf:
                self._given.pop(port, None)
                what = f"listener {port} has certificate {shown.get(port)} and not {each.leaf}"
                found.append(compare.Difference("certificate", what))
        return tuple(found)

    async def _shown(self, ports: Iterable[int]) -> dict[int, str]:
        """SHA-1 of the leaves in force, by port."""
        found = {}
        for port in ports:
            for line in (await self._runtime.say(f"show ssl cert {self._where.key_file(port)}")).splitlines():
                if line.startswith(_LEAF):
                    found[port] = line.removeprefix(_LEAF).strip()
        return found

    async def _give(self, port: int, material: keys.Material) -> None:
        path = self._where.key_file(port)
        answer = await self._runtime.say(f"set ssl cert {path}", payload=material.pem.decode("ascii"))
        if not answer.startswith(("Transaction created", "Transaction updated")):
            raise runtime.Refused(f"HAProxy refuses the certificate of listener {port}: {_last(answer)}")
        answer = await self._runtime.say(f"commit ssl cert {path}")
        if not answer.endswith("Success!"):
            await self._runtime.say(f"abort ssl cert {path}")
            raise runtime.Refused(f"HAProxy does not change the certificate of listener {port}: {_last(answer)}")
        self._meters.runtime_ops.labels("CommitCertificate").inc()
        _log.info("certificate_changed", port=port, leaf=material.certificate.leaf)


def _last(answer: str) -> str:
    return answer.replace("\n", " ")[-200:] or "empty answer"
