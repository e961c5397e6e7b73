"""The files beside a configuration that HAProxy follows at run time: routes of cookies, and whom to trust (REQ-3.3).

Both say what is known now, whichever configuration runs, so they are written before anything else and are right for
the worker that serves and for any that comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import structlog

from elbflow_agent import files, meters
from elbflow_agent.haproxy import compare, model, nobody, place, runtime

_log = structlog.get_logger(__name__)
_FINGERPRINT = "SHA1 FingerPrint:"


class Beside:
    """Writes and installs them; one caller at a time."""

    def __init__(self, where: place.Place, worker: runtime.Runtime, *, instruments: meters.Meters) -> None:
        self._where = where
        self._runtime = worker
        self._meters = instruments

    async def write(self, wanted: model.Model) -> None:
        """Bring the files up to date; each is replaced as a whole."""
        for path, text in self._texts(wanted):
            await files.update(path, text.encode())
        await self._identify(wanted)

    async def provide(self, wanted: model.Model) -> None:
        """Make those that are missing, for a look at a configuration that may never come into force."""
        for path, text in self._texts(wanted):
            if await files.read(path) is None:
                await files.replace(path, text.encode())
        await self._identify(wanted)

    async def install(self, wanted: model.Model) -> bool:
        """Give them to the serving worker, which has the version of ``wanted``; False when that takes a reload."""
        for value, name in await self._new_routes(wanted):
            await self._add_route(value, name)
        for port in await self._outdated(wanted):
            if not await self._trust(wanted, port):
                return False
        return True

    async def differences(self, wanted: model.Model) -> tuple[compare.Difference, ...]:
        """What the serving worker has otherwise. Routes to servers that left lead nowhere and are no difference."""
        missing = [name for _, name in await self._new_routes(wanted)]
        outdated = await self._outdated(wanted)
        return (
            *(compare.Difference("route", f"no cookie leads to server {name}") for name in missing),
            *(
                compare.Difference("trust", f"listener {port} accepts other servers than it should")
                for port in outdated
            ),
        )

    async def _new_routes(self, wanted: model.Model) -> list[tuple[str, str]]:
        routes = wanted.routes
        if not routes:
            return []
        shown = (line.split() for line in (await self._runtime.say(f"show map {self._where.routes}")).splitlines())
        known = {words[1]: words[2] for words in shown if len(words) == 3}
        return [(value, name) for value, name in sorted(routes.items()) if known.get(value) != name]

    async def _add_route(self, value: str, name: str) -> None:
        answer = await self._runtime.say(f"add map {self._where.routes} {value} {name}")
        if answer:
            raise runtime.Refused(f"HAProxy does not take the route to server {name}: {answer[-200:]}")
        self._meters.runtime_ops.labels("AddRoute").inc()

    async def _outdated(self, wanted: model.Model) -> list[int]:
        """Ports of listeners whose servers are accepted by other certificates than they should be."""
        return [port for port, anchors in wanted.anchors.items() if await self._shown(port) != _leaves(anchors)]

    async def _shown(self, port: int) -> frozenset[str]:
        text = await self._runtime.say(f"show ssl ca-file {self._where.trust_file(port)}")
        found = (line.removeprefix(_FINGERPRINT).strip() for line in text.splitlines() if line.startswith(_FINGERPRINT))
        return frozenset(found) - {nobody.LEAF}

    async def _trust(self, wanted: model.Model, port: int) -> bool:
        path = self._where.trust_file(port)
        answer = await self._runtime.say(f"set ssl ca-file {path}", payload=self._trusted(wanted, port))
        if "transaction created" not in answer.lower() and "transaction updated" not in answer.lower():
            # More certificates than HAProxy's buffer for commands holds.
            _log.warning("trust_needs_reload", port=port, reason=answer[-200:])
            return False
        answer = await self._runtime.say(f"commit ssl ca-file {path}")
        if not answer.endswith("Success!"):
            await self._runtime.say(f"abort ssl ca-file {path}")
            _log.warning("trust_needs_reload", port=port, reason=answer[-200:])
            return False
        self._meters.runtime_ops.labels("CommitTrust").inc()
        _log.info("trust_changed", port=port, anchors=len(wanted.anchors[port]))
        return True

    def _trusted(self, wanted: model.Model, port: int) -> str:
        """Content of a trust file. An empty one would be refused, so nobody is trusted in any case."""
        return nobody.CERTIFICATE + "".join(anchor.pem for anchor in wanted.anchors[port])

    def _texts(self, wanted: model.Model) -> Iterator[tuple[Path, str]]:
        """One after another: each may be of a megabyte."""
        for port in wanted.anchors:
            yield self._where.trust_file(port), self._trusted(wanted, port)
        if _has_routes(wanted):
            yield self._where.routes, "".join(f"{value} {name}\n" for value, name in sorted(wanted.routes.items()))

    async def _identify(self, wanted: model.Model) -> None:
        if wanted.anchors and await files.read(self._where.identity) is None:
            await files.replace(self._where.identity, await nobody.identity())


def _leaves(anchors: tuple[model.Anchor, ...]) -> frozenset[str]:
    return frozenset(anchor.leaf for anchor in anchors)


def _has_routes(wanted: model.Model) -> bool:
    return any(isinstance(each.stickiness, model.AppStickiness) for each in wanted.listeners)
