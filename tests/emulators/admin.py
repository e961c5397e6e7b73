"""The other door of an emulated server: what it saw, tasks to hand out, faults to switch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.emulators.lists import ACTIVITY
from tests.emulators.server import Server
from tests.emulators.wire import Request

Command = Callable[[dict[str, Any]], dict[str, Any]]


class Admin:
    """``POST /name`` with a JSON object; unknown names are faults."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._running: set[asyncio.Task[None]] = set()
        self._commands: dict[str, Command] = {
            "/report": lambda members: server.report(),
            "/reset": self._reset,
            "/switch": self._switch,
            "/tasks": self._tasks,
            "/steadily": self._steadily,
        }

    def serve(self, request: Request) -> None:
        command = self._commands.get(request.path)
        if command is None:
            request.fault("UnknownOperationException", f"No such command: {request.path}")
        else:
            request.answer(command(request.members()))

    def _reset(self, members: dict[str, Any]) -> dict[str, Any]:
        self._server.reset()
        return {}

    def _switch(self, members: dict[str, Any]) -> dict[str, Any]:
        """Members of :class:`tests.emulators.behaviour.Behaviour` to change."""
        self._server.switch(replace(self._server.behaviour, **members))
        return {}

    def _tasks(self, members: dict[str, Any]) -> dict[str, Any]:
        """``each`` tasks on every one of ``lists``, all at once."""
        for name in members["lists"]:
            self._server.offer(members.get("kind", ACTIVITY), name, members.get("each", 1))
        return {}

    def _steadily(self, members: dict[str, Any]) -> dict[str, Any]:
        """``count`` tasks at ``per_s`` on random ones of ``lists``; answered before the first of them."""
        kind = members.get("kind", ACTIVITY)
        offering = self._server.offer_steadily(kind, members["lists"], members["per_s"], members["count"])
        task = asyncio.get_running_loop().create_task(offering)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return {}
