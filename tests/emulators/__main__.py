"""An emulated SWF server in a process of its own.

python -m tests.emulators '{"hold_s": 30, "herd": true}'

The argument has members of :class:`tests.emulators.behaviour.Behaviour`. Its first line of output is one of JSON with
two URLs: ``url`` speaks SWF, ``admin`` is for :mod:`tests.emulators.running`. It ends with its input, or on SIGTERM.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from dataclasses import asdict, replace

import uvloop
from tests.emulators import admin, wire
from tests.emulators.behaviour import Behaviour
from tests.emulators.server import Server


async def main(behaviour: Behaviour) -> None:
    server = Server(behaviour)
    listening, url = await wire.listen(server.serve)
    controlling, admin_url = await wire.listen(admin.Admin(server).serve)
    sys.stdout.write(json.dumps({"url": url, "admin": admin_url, "behaviour": asdict(behaviour)}) + "\n")
    sys.stdout.flush()
    async with listening, controlling:
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)
    uvloop.run(main(replace(Behaviour(), **json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}"))))
