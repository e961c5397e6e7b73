"""Downloading server certificates for one VM (spec/vm-agent-data-plane 7.4 to 7.7)."""

from __future__ import annotations

import re
import secrets
from typing import Protocol

import structlog

from elbflow import clock, signers
from elbflow_agent.certificates import calls, dialects, exchange, schedule, store
from elbflow_agent.certificates.credential import Vm

_log = structlog.get_logger(__name__)
SERVICE = "iam"
_NONCE_BYTES = 18
_NOT_AUTHORIZED = "NotAuthorized"
_ABOUT_CREDENTIAL = re.compile(r"certificate\b.*\b(invalid|expired)|\binvalid\b.*\bcertificate", re.IGNORECASE)
"""The code says nothing more; the original's words and ours do."""
_ALARM_EVERY_S = 24 * 3600.0
_STALE_KEYS = frozenset({"ExpiredToken", "InvalidClientTokenId", "RequestExpired", "SignatureDoesNotMatch"})


class Credentials(Protocol):
    """Where the VM's credential comes from."""

    async def get(self) -> Vm:
        """The credential that is good now. Raises :class:`errors.ElbflowError`."""

    def refused(self) -> bool:
        """IAM does not know this credential, or we do not know this IAM: whether to expect another one now."""


class Client:
    """One VM's side of the exchange."""

    def __init__(
        self, endpoint: str, requests: calls.Calls, credentials: Credentials, role: signers.Signer, time: clock.Clock
    ) -> None:
        """``endpoint`` is the URL of IAM with its path."""
        self._endpoint = endpoint
        self._calls = requests
        self._credentials = credentials
        self._role = role
        self._clock = time
        self._silent_until = float("-inf")

    async def download(self, arn: str) -> store.Downloaded:
        """Leaf, chain and private key as one PEM text, checked.

        Raises :class:`store.NeedsRecycling`, :class:`exchange.BadAnswer` and what its parts raise. Cancellation leaves
        nothing behind.
        """
        vm = await self._credentials.get()
        self._check_life(vm)
        question = exchange.Question(arn.strip(), self._clock.now(), secrets.token_urlsafe(_NONCE_BYTES))
        try:
            body = await self._asked(exchange.parameters(question, vm))
            pem = exchange.opened(dialects.download(body), question, vm)
        except exchange.NotFromIam:
            self._credentials.refused()
            raise
        except calls.Refused as error:
            if error.code != _NOT_AUTHORIZED or _ABOUT_CREDENTIAL.search(error.message) is None:
                raise
            if self._credentials.refused():
                raise
            raise store.NeedsRecycling(f"IAM refuses the VM's delegation certificate: {error.message}") from error
        return store.Downloaded(pem, exchange.leaf(pem).not_valid_after_utc.timestamp())

    def _check_life(self, vm: Vm) -> None:
        left_s = vm.expires_at - self._clock.now()
        if left_s <= 0 and not self._credentials.refused():
            raise store.NeedsRecycling("the VM's delegation certificate has expired; replace the VM")
        if left_s < schedule.ALARM_S and self._clock.monotonic() >= self._silent_until:
            self._silent_until = self._clock.monotonic() + _ALARM_EVERY_S
            _log.warning("delegation_certificate_ends", principal=vm.principal, days_left=int(left_s / 86400))

    async def _asked(self, form: dict[str, str]) -> bytes:
        try:
            return await self._calls.post(self._endpoint, SERVICE, form, await self._role.keys())
        except calls.Refused as error:
            if error.code not in _STALE_KEYS:
                raise
            self._role.refused()
        return await self._calls.post(self._endpoint, SERVICE, form, await self._role.keys())
