"""Pure: how probe results become states (REQ-4.3, REQ-4.4, REQ-4.7).

*State* is what is reported; *in rotation* is whether HAProxy sends traffic. They differ only while the state is
Unknown: a new instance is out of rotation until it has passed HealthyThreshold probes, while one that was in rotation
before a restart or a change of configuration stays there until probes say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from elbflow.contract import document

REGISTERING = "Instance registration is still in progress."
FAILED = "Instance has failed at least the UnhealthyThreshold number of health checks consecutively."

_IN_SERVICE = document.InstanceState.IN_SERVICE
_OUT_OF_SERVICE = document.InstanceState.OUT_OF_SERVICE
_UNKNOWN = document.InstanceState.UNKNOWN


@dataclass(frozen=True, slots=True)
class Health:
    """Health of one instance. ``streak`` counts consecutive results that speak against the state; > 0 are successes."""

    state: document.InstanceState = _UNKNOWN
    in_rotation: bool = False
    description: str = REGISTERING
    streak: int = 0

    def recounting(self) -> Health:
        """The same state with no results counted yet, for a changed configuration or address."""
        return replace(self, streak=0)

    def stale(self) -> Health:
        """What is left of a state that is too old to report: whether traffic went there."""
        return Health(_UNKNOWN, self.in_rotation, "", 0) if self.state is not _UNKNOWN else self.recounting()


def unchecked() -> Health:
    """Health of an instance when no health check is configured: it gets traffic and nothing is claimed."""
    return Health(_UNKNOWN, in_rotation=True, description="")


def advance(health: Health, passed: bool, check: document.HealthCheck, *, first_success: bool = False) -> Health:
    """Health after one more probe result.

    ``first_success`` has one success be enough for an instance that has never been in service.
    """
    streak = _streak(health.streak, passed)
    if passed:
        if health.state is _IN_SERVICE:
            return replace(health, streak=0)
        is_new = health.state is _UNKNOWN and first_success
        if is_new or streak >= check.healthy_threshold:
            return Health(_IN_SERVICE, in_rotation=True, description="")
        return replace(health, streak=streak)
    if health.state is _OUT_OF_SERVICE:
        return replace(health, streak=0)
    if -streak >= check.unhealthy_threshold:
        return Health(_OUT_OF_SERVICE, in_rotation=False, description=FAILED)
    return replace(health, streak=streak)


def _streak(before: int, passed: bool) -> int:
    if passed:
        return max(before, 0) + 1
    return min(before, 0) - 1
