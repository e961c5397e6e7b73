"""Signing for an endpoint whose clock and ours disagree (spec/swf-long-poll-scale 5.10).

A signature is good for a few minutes around the endpoint's time. When it refuses one as too old or too new, its
``Date`` header tells by how much to correct; until then our own clock is believed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import structlog
from botocore import auth
from botocore.exceptions import ClientError

from elbflow import clock as clocks
from elbflow.swf import errors

LEAST_SKEW_S = 30.0
_CODES = frozenset({"RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"})
_TEXTS = ("signature expired", "not yet current")
_SIGNER = "v4-elbflow"

_log = structlog.get_logger(__name__)


class EndpointTime:
    """What time it is at one endpoint."""

    def __init__(self, clock: clocks.Clock) -> None:
        self._clock = clock
        self.offset_s = 0.0

    def now(self) -> float:
        """Seconds since the epoch, for signatures."""
        return self._clock.now() + self.offset_s

    def learned(self, fault: errors.SwfError) -> bool:
        """Whether ``fault`` came from clocks that disagree, and the next signature will carry another time."""
        said = _date_of(fault) if _is_skew(fault) else None
        if said is None or abs(said - self.now()) < LEAST_SKEW_S:
            return False
        self.offset_s = said - self._clock.now()
        _log.warning("swf_clock_skew", offset_s=round(self.offset_s), operation=fault.operation)
        return True


def sign_for(client: Any, time: EndpointTime) -> None:
    """Let aiobotocore's own signer use ``time``, while it differs from this machine's."""
    auth.AUTH_TYPE_MAPS.setdefault(_SIGNER, _CorrectedSigner)

    def choose(context: dict[str, Any], **_: Any) -> str | None:
        if time.offset_s == 0.0:
            return None
        context["elbflow_now"] = time.now()
        return _SIGNER

    client.meta.events.register("choose-signer.swf", choose)


class _CorrectedSigner(auth.SigV4Auth):  # type: ignore[misc]
    """botocore's signature version 4 for a moment that the request's context names."""

    def _modify_request_before_signing(self, request: Any) -> None:
        at = datetime.fromtimestamp(request.context["elbflow_now"], UTC)
        request.context["timestamp"] = at.strftime(auth.SIGV4_TIMESTAMP)
        super()._modify_request_before_signing(request)


def _is_skew(fault: errors.SwfError) -> bool:
    text = str(fault).lower()
    return fault.code in _CODES or (isinstance(fault, errors.Unauthenticated) and any(part in text for part in _TEXTS))


def _date_of(fault: errors.SwfError) -> float | None:
    cause = fault.__cause__
    if not isinstance(cause, ClientError):
        return None
    headers = cause.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        return parsedate_to_datetime(headers.get("date", "")).timestamp()
    except ValueError:
        return None
