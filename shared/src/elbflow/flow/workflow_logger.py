"""The workflow's logger: silent while history is replayed, so that each line is written once per decision."""

from __future__ import annotations

import asyncio

import structlog

from elbflow.flow import deciding
from elbflow.flow.core.loop import Loop

_log = structlog.get_logger("elbflow.workflow")


class WorkflowLogger:
    """Event name and fields, as everywhere; workflow id, run id and type are added."""

    def debug(self, event: str, **fields: object) -> None:
        self._write("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        self._write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._write("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, object]) -> None:
        loop = asyncio._get_running_loop()
        if isinstance(loop, Loop):
            if loop.instance.replaying:
                return
            execution = loop.instance.execution
            fields = {
                "workflow_type": loop.instance.definition.signature.name,
                "workflow_id": execution.workflow_id,
                "run_id": execution.run_id,
                **fields,
            }
        with deciding.lifted():
            getattr(_log, level)(event, **fields)


logger = WorkflowLogger()
