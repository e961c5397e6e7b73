"""How one-shot workflows end: with an outcome, published when everything, compensation included, is over.

The execution completes even when its work failed, as the original's did (spec/elb-control-plane 4.1); unlike there, a
terminal state is never visible before the compensation is done (11.1 no. 2 and 3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from elbflow import flow
from elbflow.contract.workflows import Outcome, OutcomeState

_USERS_FAULT = 400
_SERVICES_FAULT = 500


async def of(work: Awaitable[None]) -> Outcome:
    """Do the work and say how it went. Only cancellation passes, published as such."""
    flow.set_state(Outcome(OutcomeState.RUNNING))
    try:
        await work
        outcome = Outcome(OutcomeState.SUCCESS)
    except flow.ActivityError as error:
        outcome = _failure(error)
    except asyncio.CancelledError:
        flow.set_state(Outcome(OutcomeState.CANCELLED, _SERVICES_FAULT, "the workflow was cancelled"))
        raise
    flow.set_state(outcome)
    return outcome


def _failure(error: flow.ActivityError) -> Outcome:
    if isinstance(error, flow.ActivityFailed) and error.permanent:
        return Outcome(OutcomeState.FAILED, _USERS_FAULT, error.message or error.reason)
    return Outcome(OutcomeState.FAILED, _SERVICES_FAULT, str(error))
