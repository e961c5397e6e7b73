"""Conversations with HAProxy's sockets that break off."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
from pathlib import Path

import pytest

from elbflow_agent.haproxy import runtime

_RESETS = struct.pack("ii", 1, 0)


async def test_an_answer_that_breaks_off_leaves_nothing_to_the_collector(tmp_path: Path) -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # What was not read when the socket closes resets the connection.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETS)
        writer.transport.abort()

    there = tmp_path / "s"
    async with await asyncio.start_unix_server(refuse, there):
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            with pytest.raises(runtime.Unreachable):
                await runtime.ask(there, "show info", timeout_s=5)
            await asyncio.sleep(0.01)
            gc.collect()
            assert not [each for each in gc.garbage if isinstance(each, runtime._Answer)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
