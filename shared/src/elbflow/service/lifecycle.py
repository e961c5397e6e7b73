"""How a process starts and stops (design section 8, spec/swf-long-poll-scale 5.13, spec/anchors 4.2).

First SIGTERM or SIGINT: not ready, drain. Second: abort. Main returns when it is drained; a main that does not
return within ``drain_timeout_s`` is cancelled, and what it left behind is logged.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import prometheus_client
import structlog

from elbflow import errors
from elbflow.service import interpreter, limits, logs
from elbflow.service.process import Process
from elbflow.service.settings import ServiceSettings

log = structlog.get_logger()

EXIT_OK = 0
EXIT_CRASHED = 1
EXIT_NOT_DRAINED = 3
EXIT_UNUSABLE = 78
"""EX_CONFIG of sysexits.h: starting again without a change cannot help."""

DEFAULT_NEEDED_FILES = 256
CANCEL_GRACE_S = 5.0
SHOWN_TASKS = 20

Main = Callable[[Process], Awaitable[None]]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def uv_loop() -> asyncio.AbstractEventLoop:
    """A loop of uvloop's: faster than asyncio's own, for 2 MB."""
    import uvloop  # not with the module: small processes do without it

    return uvloop.new_event_loop()


def run(
    main: Main,
    settings: ServiceSettings,
    name: str,
    *,
    needed_files: int = DEFAULT_NEEDED_FILES,
    loop_factory: LoopFactory = uv_loop,
) -> int:
    """Run ``main`` in a tuned process until it returns, and return the exit code for ``sys.exit``.

    ``needed_files`` is how many files and sockets the process must be able to hold: sum up its connection budgets.
    ``loop_factory`` makes its event loop; ``asyncio.new_event_loop`` is the smallest.

    Codes: 0 main returned; 1 main raised; 3 the drain was cut off; 78 the machine's limits are too low, or the set-up
    cannot be used (main raised ``errors.Permanent`` before it was ready, which is told in one line). A main that does
    not even end when cancelled makes the process exit at once, with code 3.
    """
    logs.configure_logging(settings, name)
    interpreter.tune()
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    limits.forbid_cores()
    try:
        files = limits.ensure_files(needed_files)
    except limits.TooFewFiles as error:
        log.error("too_few_files", needed=error.needed, available=error.available)
        return EXIT_UNUSABLE
    log.info("starting", pid=os.getpid(), files=files)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        code = runner.run(_shell(main, settings, name))
    log.info("stopped", code=code)
    return code


async def _shell(main: Main, settings: ServiceSettings, name: str) -> int:
    process = Process(settings, name)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.request_stop, signal.Signals(number).name)
    async with process:
        return await _supervise(asyncio.create_task(_call(main, process), name="main"), process)


async def _call(main: Main, process: Process) -> None:
    await main(process)


async def _supervise(work: asyncio.Task[None], process: Process) -> int:
    stop = asyncio.create_task(_stop_requested(process), name="stop-wait")
    await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not work.done():
        await asyncio.wait({work}, timeout=process.settings.drain_timeout_s)
    if not work.done():
        await _cut_off(work, process)
        return EXIT_NOT_DRAINED
    return _verdict(work, process)


async def _stop_requested(process: Process) -> None:
    await process.stopping.wait()


async def _cut_off(work: asyncio.Task[None], process: Process) -> None:
    """Cancel what did not drain in time. Leaves the process when even that does not end it."""
    log.error("drain_timeout", after_s=process.settings.drain_timeout_s, **_left(process))
    work.cancel()
    await asyncio.wait({work}, timeout=CANCEL_GRACE_S)
    if not work.done():
        log.error("cancel_timeout", after_s=CANCEL_GRACE_S, **_left(process))
        sys.stderr.flush()
        os._exit(EXIT_NOT_DRAINED)
    if not work.cancelled() and (error := work.exception()) is not None:
        log.error("crashed", exc_info=error)


def _left(process: Process) -> dict[str, object]:
    names = sorted(task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task())
    return {"remaining": process.remaining(), "tasks": len(names), "task_names": names[:SHOWN_TASKS]}


def _verdict(work: asyncio.Task[None], process: Process) -> int:
    if work.cancelled():
        log.error("crashed", reason="main was cancelled")
        return EXIT_CRASHED
    error = work.exception()
    if error is None:
        return EXIT_OK
    if not process.was_ready and isinstance(error, errors.Permanent | errors.Retryable):
        log.error("not_started", reason=str(error))
        return EXIT_UNUSABLE if isinstance(error, errors.Permanent) else EXIT_CRASHED
    log.error("crashed", exc_info=error)
    return EXIT_CRASHED
