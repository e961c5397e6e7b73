"""What the supervisor of a VM's processes hears, and the end of a process that hangs (spec/vm-agent REQ-8.5, F14).

systemd hears by its notification protocol, if it asks for it. A supervisor that only sees whether a process is there,
as that of the image, misses one whose event loop stands still; so such a process ends itself and is started again.
HAProxy is nobody's child and goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import socket
from collections.abc import AsyncIterator

import structlog

_log = structlog.get_logger(__name__)
_PER_LIMIT = 3
"""Signs of life within the time after which a process counts as dead."""
_PATIENCE_S = 2.0


def notify(state: str, *, patience_s: float = 0.0) -> None:
    """Tell systemd, as sd_notify(3) does; without systemd nothing happens, and a failure is only logged.

    Its queue has room for a few words of all services; ``patience_s`` is how long this may block when it is full.
    """
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(patience_s)
            sender.connect(f"\0{path[1:]}" if path.startswith("@") else path)  # else the kernel would not let it wait
            sender.send(state.encode())
    except OSError as error:
        _log.warning("systemd_not_notified", state=state, reason=f"{type(error).__name__}: {error}")


def ready() -> None:
    """Tell systemd that the process does what it is for. That it stops it is not told: another one takes over then.

    This is said once, so it waits for its turn if it must.
    """
    notify("READY=1", patience_s=_PATIENCE_S)


@contextlib.asynccontextmanager
async def watched(stall_s: float) -> AsyncIterator[None]:
    """End the process, with the stacks of all threads on stderr, once its event loop stands still for ``stall_s``.

    As long as it runs systemd hears so, if it wants to. The time in which all of the machine sleeps does not count.
    """
    asked_s = _asked_by_systemd_s()
    pause_s = min(stall_s, asked_s or stall_s) / _PER_LIMIT

    async def live() -> None:
        while True:
            try:
                faulthandler.dump_traceback_later(stall_s, exit=True)
            except RuntimeError as error:  # no thread is to be had now
                _log.error("stall_not_watched", reason=str(error))
            if asked_s is not None:
                notify("WATCHDOG=1")
            await asyncio.sleep(pause_s)

    living = asyncio.create_task(live(), name="sign-of-life")
    try:
        yield
    finally:
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        faulthandler.cancel_dump_traceback_later()


def _asked_by_systemd_s() -> float | None:
    """Within how many seconds systemd wants to hear of this process again, None if it does not."""
    limit, process = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID")
    if not limit.isdecimal() or int(limit) == 0 or process not in (None, str(os.getpid())):
        return None
    return int(limit) / 1e6
