"""Which destinations do not take objects, and why: for the load balancer's owner, who alone can mend a bucket."""

from __future__ import annotations

from collections.abc import Callable

from botocore.exceptions import ClientError

from elbflow_agent.accesslog.spool import Destination

_TOLD_AFTER = 3
"""Failures in a row, which come within a few seconds: every S3 refuses something now and then."""


class Troubles:
    """Attempts to store that failed, by destination; whoever subscribed hears of each change of what is told."""

    def __init__(self) -> None:
        self._failed: dict[Destination, tuple[int, str]] = {}
        self._subscribers: list[Callable[[], None]] = []

    def of(self, to: Destination | None) -> str | None:
        """A sentence about what goes ``to`` there, None when all is well."""
        failures, reason = self._failed.get(to, (0, "")) if to is not None else (0, "")
        if to is None or failures < _TOLD_AFTER:
            return None
        return f"Access logs cannot be stored in bucket {to.bucket}: {reason}"

    def failed(self, to: Destination, error: Exception) -> None:
        """One more attempt has failed."""
        before = self.of(to)
        self._failed[to] = (self._failed.get(to, (0, ""))[0] + 1, _reason(error))
        self._tell_if(before != self.of(to))

    def stored(self, to: Destination) -> None:
        """An attempt has not failed."""
        before = self.of(to)
        self._failed.pop(to, None)
        self._tell_if(before is not None)

    def subscribe(self, changed: Callable[[], None]) -> None:
        self._subscribers.append(changed)

    def unsubscribe(self, changed: Callable[[], None]) -> None:
        """Idempotent."""
        if changed in self._subscribers:
            self._subscribers.remove(changed)

    def _tell_if(self, changed: bool) -> None:
        for tell in tuple(self._subscribers) if changed else ():
            tell()


def _reason(error: Exception) -> str:
    """S3's words, or the kind of failure: the rest names keys and endpoints, and is another one each time."""
    cause = error.__cause__ or error
    if isinstance(cause, ClientError):
        told = cause.response.get("Error", {})
        return f"{told.get('Message') or 'no reason is given'} ({told.get('Code')})"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return type(cause).__name__
