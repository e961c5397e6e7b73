"""Logging: one structured line per state transition, on stderr, without secrets (spec/anchors 4.2 Logs)."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import orjson
import structlog

from elbflow.service import redaction

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

    from elbflow.service.settings import LogFormat, ServiceSettings

LIBRARY_LEVEL = logging.WARNING
"""Libraries log requests with their signatures at DEBUG, so ``log_level`` is for our own events only."""

_LEADING = ("timestamp", "level", "event", "service")


def configure_logging(settings: ServiceSettings, name: str) -> None:
    """Send structlog events, and warnings of libraries, to stderr as ``settings.log_format`` says.

    Every line carries ``timestamp`` (UTC), ``level``, ``event`` and ``service`` (= ``name``). May be called again.
    """
    level = logging.getLevelNamesMapping()[settings.log_level]
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _Service(name),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering: list[Processor] = [
        structlog.processors.format_exc_info,
        _redact_event,
        _renderer(settings.log_format),
    ]
    structlog.configure(
        processors=[*common, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    _route_libraries(common, rendering)


def _route_libraries(common: list[Processor], rendering: list[Processor]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*common, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LIBRARY_LEVEL)
    logging.captureWarnings(True)


class _Service:
    """Adds the name of the service."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("service", self._name)
        return event


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return redaction.redact_fields(event)


def _renderer(log_format: LogFormat) -> Processor:
    if log_format == "console":
        return structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    return _render_json


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    leading = {key: event.pop(key) for key in _LEADING if key in event}
    return orjson.dumps({**leading, **event}, option=orjson.OPT_PASSTHROUGH_SUBCLASS, default=str).decode()
