"""The checkers of one VM: every instance on its own fixed-rate schedule (REQ-4.1, REQ-4.4, REQ-4.5)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from elbflow import clock, errors
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.haproxy import authentication
from elbflow_agent.health import identity, probe, target, timetable, tracker

_log = structlog.get_logger(__name__)
_FIRST_PROBE_WITHIN_S = 1.0
_LARGEST_PHASE = 0.5
"""Part of the interval by which the second probe may come early, once."""
_PROOFS_AT_ONCE = 256

_NOBODY = frozenset[int]()

Probe: TypeAlias = Callable[[str, target.Target, float, clock.Clock], Awaitable[probe.Verdict]]


@dataclass(slots=True, eq=False)
class _Checker:
    """One instance. ``due`` is when its next probe is, or its last was to begin; the one after comes ``early_s`` early.

    ``task`` is the probe that runs.
    """

    begin: Callable[[_Checker], None]
    instance_id: str
    address: str
    health: tracker.Health
    restored: bool = False
    due: float = 0.0
    early_s: float = 0.0
    ticket: int = 0
    task: asyncio.Task[None] | None = None

    def ring(self) -> None:
        self.begin(self)


class Checks:
    """Keeps the health of every instance of the document; ``changed`` is called after each change of a state.

    States survive :meth:`configure`; counting starts anew where the check or the address changed.
    """

    def __init__(
        self,
        *,
        time: clock.Clock,
        rng: random.Random,
        instruments: meters.Meters,
        changed: Callable[[], None],
        probing: Probe = probe.probe,
        identities: identity.Identities | None = None,
        first_success: bool = False,
        times: timetable.Timetable | None = None,
    ) -> None:
        self._clock = time
        self._times = timetable.Timetable(time) if times is None else times
        self._begin = self._begin_probe  # bound once, for all checkers
        self._rng = rng
        self._meters = instruments
        self._changed = changed
        self._probing = probing
        self._check: document.HealthCheck | None = None
        self._target: target.Target | None = None
        self._checkers: dict[str, _Checker] = {}
        self._restored: dict[str, tracker.Health] = {}
        self._closed = False
        self._identities = identities
        self._first_success = first_success
        self._keys: Mapping[int, authentication.Keys] = {}
        self._introduced = _NOBODY

    @property
    def check(self) -> document.HealthCheck | None:
        return self._check

    def states(self) -> Mapping[str, tracker.Health]:
        """Health by instance id."""
        return {instance_id: checker.health for instance_id, checker in self._checkers.items()}

    def in_rotation(self, instance_id: str) -> bool:
        """Whether HAProxy may send traffic to the instance now."""
        checker = self._checkers.get(instance_id)
        return checker is not None and checker.health.in_rotation

    def restore(self, states: Mapping[str, tracker.Health]) -> None:
        """States from before a restart; they hold for the instances that :meth:`configure` names next."""
        self._restored = dict(states)

    def configure(
        self,
        check: document.HealthCheck | None,
        instances: Mapping[str, str],
        keys: Mapping[int, authentication.Keys] | None = None,
        introduced: Collection[int] = (),
    ) -> None:
        """Check ``instances`` (id to address); raises :class:`target.InvalidTarget`, changing nothing.

        On the ports of ``keys`` they must show one of the keys as well, whatever else is checked; on those that are
        ``introduced`` after a word about the client, as HAProxy's connections are.
        """
        keys = {} if keys is None else keys
        if check is None and keys:
            check = document.HealthCheck(f"SSL:{min(keys)}")
        parsed = target.parse(check.target) if check is not None else None
        restart_all = check != self._check or keys != self._keys
        self._check, self._target, self._keys, self._introduced = check, parsed, keys, frozenset(introduced) or _NOBODY
        if self._identities is not None:
            self._identities.forget_others({(instance_id, port) for instance_id in instances for port in keys})
        for instance_id in set(self._checkers) - set(instances):
            self._stop(self._checkers.pop(instance_id))
        for instance_id, address in instances.items():
            self._place(instance_id, address, restart_all)
        self._restored = {}

    async def prove(self, *, within_s: float) -> None:
        """Have all instances in rotation whose key is unknown show it, so that they can serve at once."""
        known, introduced = self._identities, self._introduced
        if known is None or not self._keys:
            return
        deadline = self._clock.monotonic() + within_s
        serving = [checker for checker in self._checkers.values() if checker.health.in_rotation]
        unknown = (
            (checker, port, keys)
            for port, keys in tuple(self._keys.items())
            for checker in serving
            if not known.is_known(checker.instance_id, port, keys)
        )

        async def ask() -> None:
            for checker, port, keys in unknown:
                left_s = deadline - self._clock.monotonic()
                if left_s <= 0:
                    return
                await known.prove(
                    checker.instance_id, checker.address, port, keys, timeout_s=left_s, introduced=port in introduced
                )

        # There may be a thousand instances behind each of a hundred ports.
        await asyncio.gather(*(ask() for _ in range(min(_PROOFS_AT_ONCE, len(serving) * len(self._keys)))))

    async def aclose(self) -> None:
        """Stop all checkers; their states stay readable."""
        self._closed = True
        tasks = [checker.task for checker in self._checkers.values() if checker.task is not None]
        for checker in self._checkers.values():
            self._stop(checker)
        await asyncio.gather(*tasks, asyncio.sleep(0), return_exceptions=True)  # and whoever slept for them has ended

    def _place(self, instance_id: str, address: str, restart: bool) -> None:
        checker = self._checkers.get(instance_id)
        if checker is None:
            restored = self._restored.get(instance_id)
            health = restored or tracker.Health()
            checker = _Checker(self._begin, instance_id, address, health, restored is not None)
            self._checkers[instance_id] = checker
        elif not restart and checker.address == address:
            return
        else:
            checker.address = address
            checker.health = checker.health.recounting()
        self._stop(checker)
        if self._check is None:
            checker.health = tracker.unchecked()
        elif not self._closed:
            self._start(checker, self._check)

    def _stop(self, checker: _Checker) -> None:
        self._times.give_up(checker)
        if checker.task is not None:
            checker.task.cancel()
            checker.task = None

    def _start(self, checker: _Checker, check: document.HealthCheck) -> None:
        # After a restart the whole interval is used, so that a host's thousands of checks do not come at once.
        spread_s = check.interval_s if checker.restored else min(check.interval_s, _FIRST_PROBE_WITHIN_S)
        checker.due = self._clock.monotonic() + self._rng.uniform(0, spread_s)
        # Checks that begin together, as those of VMs launched together do, would stay together for ever.
        checker.early_s = 0.0 if checker.restored else check.interval_s * self._rng.uniform(0, _LARGEST_PHASE)
        self._times.plan(checker, checker.due)

    def _begin_probe(self, checker: _Checker) -> None:
        checker.task = asyncio.create_task(self._run(checker), name=f"health-{checker.instance_id}")
        checker.task.add_done_callback(_report)

    async def _run(self, checker: _Checker) -> None:
        """One probe. Cancelled, no other follows."""
        check, what = self._check, self._target
        if check is None or what is None:
            raise errors.Defect("a checker runs without a health check")
        verdict = await self._probe(checker.instance_id, checker.address, what, check.timeout_s)
        self._meters.probes.labels(verdict.value).inc()
        checker.task = None
        checker.due = _next(checker.due, check.interval_s, self._clock.monotonic(), early_s=checker.early_s)
        checker.early_s = 0.0
        self._times.plan(checker, checker.due)
        if verdict is not probe.Verdict.STALLED:
            self._advance(checker, verdict is probe.Verdict.PASSED, check)

    async def _probe(self, instance_id: str, address: str, what: target.Target, timeout_s: float) -> probe.Verdict:
        try:
            verdict = await self._probing(address, what, timeout_s, self._clock)
            if verdict is probe.Verdict.PASSED and not await self._is_known(instance_id, address, timeout_s):
                return probe.Verdict.FAILED
            return verdict
        except Exception:
            # A defect of ours says nothing about the instance, and must not end its checks.
            _log.exception("health_probe_broken", instance=instance_id)
            return probe.Verdict.STALLED

    async def _is_known(self, instance_id: str, address: str, timeout_s: float) -> bool:
        """Whether the instance shows one of the keys on each port where it must."""
        if self._identities is None:
            return True
        introduced = self._introduced
        for port, keys in self._keys.items():
            if not await self._identities.prove(
                instance_id, address, port, keys, timeout_s=timeout_s, introduced=port in introduced
            ):
                return False
        return True

    def _advance(self, checker: _Checker, passed: bool, check: document.HealthCheck) -> None:
        before = checker.health
        checker.health = tracker.advance(before, passed, check, first_success=self._first_success)
        if (checker.health.state, checker.health.in_rotation) != (before.state, before.in_rotation):
            self._meters.transitions.labels(checker.health.state.value).inc()
            _log.info(
                "health_changed",
                instance=checker.instance_id,
                state=checker.health.state.value,
                before=before.state.value,
            )
            self._changed()


def _next(due: float, interval_s: float, now: float, *, early_s: float) -> float:
    """Fixed rate: instants that have passed already are skipped, not made up for; an early one is due at once then."""
    if early_s:
        return max(due + interval_s - early_s, now)
    missed = max(0, int((now - due) // interval_s))
    return due + interval_s * (missed + 1)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("health_checker_died", task=task.get_name(), exc_info=error)
