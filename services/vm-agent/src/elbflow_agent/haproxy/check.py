"""``haproxy -c``: would this configuration load? Nothing running is touched (REQ-1.2)."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from elbflow import errors
from elbflow_agent.haproxy import commands

_TIMEOUT_S = 20.0
_NICENESS = 5
"""A check must not take the core from HAProxys that serve, nor from changes that need no check."""
_LONGEST_REASON = 600
_LONGEST_OUTPUT = 1 << 20


class InvalidConfiguration(errors.Permanent):
    """HAProxy refuses the configuration."""


class CheckTimedOut(errors.Retryable):
    """``haproxy -c`` did not finish in time."""


async def check(binary: str, configuration: Path) -> None:
    """Raise :class:`InvalidConfiguration` with HAProxy's own words unless ``configuration`` would load.

    Cancellation kills the checking process and leaves nothing behind.
    """
    code, output = await run(binary, "-c", "-f", str(configuration), timeout_s=_TIMEOUT_S)
    if code != 0:
        raise InvalidConfiguration(reason(output, code))


async def run(*command: str, timeout_s: float) -> tuple[int, str]:
    """Run a short-lived command; its exit code and what it printed."""
    with os.fdopen(os.memfd_create("output"), "rb") as output:
        try:
            code = await commands.run(command, output=output.fileno(), timeout_s=timeout_s, niceness=_NICENESS)
        except TimeoutError as error:
            raise CheckTimedOut(f"{command[0]} {command[1]} did not finish in {timeout_s:g} s") from error
        text = await asyncio.to_thread(os.pread, output.fileno(), _LONGEST_OUTPUT, 0)
        return code, text.decode(errors="replace")


def reason(output: str, code: int) -> str:
    """The alerts in HAProxy's output, or its tail."""
    alerts = [line.partition(" : ")[2] for line in output.splitlines() if line.startswith("[ALERT]")]
    text = "; ".join(alerts) or output.strip() or f"exit code {code}"
    return text[-_LONGEST_REASON:]
