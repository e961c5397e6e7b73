"""A service to be started as a process: ``program.py <behaviour>``. Prints its admin address, then behaves."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

from elbflow import errors, service
from elbflow.service import lifecycle


async def drains(process: service.Process) -> None:
    """Until nobody wants to look any more."""
    await process.stopping.wait()
    await asyncio.to_thread(sys.stdin.read)


async def waits_for_abort(process: service.Process) -> None:
    await process.stopping.wait()
    await process.aborting.wait()


async def never_drains(process: service.Process) -> None:
    process.add_remaining("polls", lambda: 3)
    await asyncio.Event().wait()


async def ignores_cancellation(process: service.Process) -> None:
    lifecycle.CANCEL_GRACE_S = 0.5
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue


async def crashes(process: service.Process) -> None:
    raise RuntimeError("Signature=0123abcd is not for logs")


async def cannot_be_used(process: service.Process) -> None:
    raise errors.Permanent("There is no profile nobody; name another one")


async def cannot_go_on(process: service.Process) -> None:
    process.ready()
    raise errors.Permanent("There is no profile nobody any more")


async def crashes_while_draining(process: service.Process) -> None:
    await process.stopping.wait()
    raise RuntimeError("lost a task")


async def returns(process: service.Process) -> None:
    await asyncio.sleep(0)


async def stops_itself(process: service.Process) -> None:
    process.request_stop("idle")
    await process.stopping.wait()


async def blocks(process: service.Process) -> None:
    time.sleep(1.2)
    await process.stopping.wait()


BEHAVIOURS: dict[str, Callable[[service.Process], Awaitable[None]]] = {
    behaviour.__name__: behaviour
    for behaviour in (
        drains,
        waits_for_abort,
        never_drains,
        ignores_cancellation,
        crashes,
        cannot_be_used,
        cannot_go_on,
        crashes_while_draining,
        returns,
        stops_itself,
        blocks,
    )
}


def main(behaviour: str, needed_files: int) -> int:
    async def serve(process: service.Process) -> None:
        sys.stdout.write(f"{await process.serve_admin()}\n")
        sys.stdout.flush()
        if behaviour != "cannot_be_used":
            process.ready()
        await BEHAVIOURS[behaviour](process)

    return service.run(serve, service.ServiceSettings(), "example", needed_files=needed_files)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
