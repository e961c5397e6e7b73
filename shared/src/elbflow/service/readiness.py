"""Whether this process should be sent work, and if not, why."""

from __future__ import annotations

from collections.abc import Callable

import structlog

log = structlog.get_logger()

Check = Callable[[], str | None]
"""None when fine, else the reason. Called on the event loop for each ``/readyz``: it must not block."""

STARTING = "starting"


class Readiness:
    """A declaration by the service, named checks, and the one-way step into draining."""

    def __init__(self) -> None:
        self._reason: str | None = STARTING
        self._draining = False
        self._checks: dict[str, Check] = {}

    def declare(self, reason: str | None) -> None:
        """Ready when ``reason`` is None. Logged when it changes something."""
        if reason == self._reason:
            return
        self._reason = reason
        if reason is None:
            log.info("ready")
        else:
            log.warning("not_ready", reason=reason)

    def drain(self) -> None:
        """Not ready from now on, whatever is declared later."""
        self._draining = True

    def add(self, name: str, check: Check) -> None:
        """Ask ``check`` too; a second one of the same name replaces the first."""
        self._checks[name] = check

    def reasons(self) -> dict[str, str]:
        """Why the process is not ready, by name; empty when it is."""
        if self._draining:
            return {"process": "draining"}
        reasons = {} if self._reason is None else {"process": self._reason}
        for name, check in self._checks.items():
            if (reason := _ask(check)) is not None:
                reasons[name] = reason
        return reasons


def _ask(check: Check) -> str | None:
    try:
        return check()
    except Exception as error:  # the probe must answer; a broken check is a reason like any other
        return f"check failed: {error!r}"
