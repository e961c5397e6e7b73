"""Workflows in tests: on virtual time, against fake activities, in milliseconds, and each decision replayed.

::

    from elbflow.flow import testing

    async def test_an_order_is_shipped_after_payment() -> None:
        async with testing.Environment(workflows=[Order], activities={charge: lambda order: "paid"}) as env:
            order = await env.start(ORDER, "order-1")
            await env.advance(timedelta(hours=1))
            await order.signal(PAY, 25)
            assert await order.result() == "shipped"

For tests alone: product code never imports it.
"""

from __future__ import annotations

from elbflow.flow.testing.environment import Environment, Handle
from elbflow.flow.testing.errors import TestingError, UnexpectedActivity, UnexpectedWorkflow, WaitsForever
from elbflow.flow.testing.fakes import Never, Taking, TimesOut, in_turn, taking

__all__ = [
    "Environment",
    "Handle",
    "Never",
    "Taking",
    "TestingError",
    "TimesOut",
    "UnexpectedActivity",
    "UnexpectedWorkflow",
    "WaitsForever",
    "in_turn",
    "taking",
]
