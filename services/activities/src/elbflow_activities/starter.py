"""Keeps the service's health check running (spec/elb-control-plane 4.13, 7.4).

Every activities process tries; the fixed workflow id lets one execution exist. What the check looks after therefore
comes back within two periods, whichever process died.
"""

from __future__ import annotations

import structlog

from elbflow import clock as clocks
from elbflow import errors
from elbflow_activities.executions import Executions

log = structlog.get_logger()

CHECK_EVERY_S = 60.0


async def keep_service_health_running(executions: Executions, period_s: float, clock: clocks.Clock) -> None:
    """Start the health check now and whenever it is found not to run, once a minute. Ends only by cancellation."""
    while True:
        try:
            if await executions.start_service_health(period_s):
                log.info("service_health_check_started")
        except errors.Retryable as error:
            log.warning("service_health_check_not_started", error=str(error))
        except errors.Permanent as error:
            log.error("service_health_check_refused", error=str(error))
        await clock.sleep(CHECK_EVERY_S)
