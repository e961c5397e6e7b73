"""Payloads as AWS's Flow framework for Java writes them (spec/vm-agent-data-plane 8.3, 4.3, 5.3).

Arguments are an array of Java objects with its type before it. Results are the JSON of the value returned, so a text
that is JSON itself is encoded twice. A failure is an exception with its class before it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import pydantic_core

from elbflow import errors
from elbflow.contract import document

MOST_TEXT = 32_768
"""Characters of a payload; the original knows no compressed ones."""
_MOST_REASON = 256
_MOST_MESSAGE = 8_000
_FORM = re.compile(r'\s*\[\s*"\[Ljava\.lang\.Object;"\s*,')
_EXCEPTION = "com.eucalyptus.loadbalancing.workflow.LoadBalancingActivityException"
_METRICS = (
    "Latency",
    "RequestCount",
    "HTTPCode_ELB_4XX",
    "HTTPCode_ELB_5XX",
    "HTTPCode_Backend_2XX",
    "HTTPCode_Backend_3XX",
    "HTTPCode_Backend_4XX",
    "HTTPCode_Backend_5XX",
)
_MORE_METRICS = (
    "BackendConnectionErrors",
    "LatencyCount",
    "LatencyMax",
    "LatencyMin",
    "SpilloverCount",
    "SurgeQueueLength",
)
"""Unknown to the original, which passes over them (REQ-5.3)."""


class Unreadable(errors.Permanent):
    """The arguments of a call are not in the form that they begin with."""


class AnswerTooLarge(errors.Permanent):
    """An answer does not fit into one payload."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose input is ``text``, which begins as the original's do."""

    text: str

    def texts(self, count: int) -> tuple[str, ...]:
        """The arguments, which are ``count`` texts. Raises :class:`Unreadable`."""
        try:
            _, given = pydantic_core.from_json(self.text)
        except ValueError as error:
            raise Unreadable(f"the input is not an array with its type: {error}") from None
        if not isinstance(given, list) or len(given) != count or not all(isinstance(each, str) for each in given):
            raise Unreadable(f"the input does not hold exactly {count} texts")
        return tuple(given)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call is answered with; None is Java's ``void``."""

    text: str | None = None

    def payload(self) -> str:
        """As it travels. Raises :class:`AnswerTooLarge`."""
        encoded = json.dumps(self.text, ensure_ascii=False)
        if len(encoded) > MOST_TEXT:
            raise AnswerTooLarge(f"the answer has {len(encoded)} characters; SWF accepts {MOST_TEXT}")
        return encoded


def call(text: str | None) -> Call | None:
    """The call if ``text`` is the input of one of the original's, else None."""
    return Call(text) if text is not None and _FORM.match(text) else None


def failure(message: str) -> tuple[str, str]:
    """Reason and details of an activity that failed."""
    said = message.encode("utf-8", "backslashreplace").decode()[:_MOST_MESSAGE]
    return said[:_MOST_REASON], json.dumps([_EXCEPTION, {"message": said}])


def status(report: document.HealthReport) -> Answer:
    """States by instance id. Instances that this VM does not report on are not in the report either."""
    return Answer(_json({each.instance_id: each.state.value for each in report.instances}))


def metrics(report: document.MetricsReport) -> Answer:
    """Counts as texts: all eight of the original's, and ours as far as they were counted."""
    counted = dict(report.counters)
    names = (*_METRICS, *(name for name in _MORE_METRICS if name in counted))
    return Answer(_json({name: str(round(counted.get(name, 0.0))) for name in names}))


def _json(value: dict[str, str]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
