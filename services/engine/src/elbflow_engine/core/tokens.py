"""Task and page tokens: opaque, URL-safe, forgery-proof (spec/swf-semantics 2, 10)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import NamedTuple

import orjson

from elbflow_engine.core import api, faults

_MAC_BYTES = 16
_VERSION = "1"
_FIRST = "e"
"""Every token begins with a letter: a command line takes one that begins with a dash for an option."""


class TaskToken(NamedTuple):
    """What a task token says: which delivery of which task of which execution."""

    kind: str
    execution_id: int
    scheduled_id: int
    started_id: int


class Tokens:
    """Mints and reads tokens with one secret; the same secret reads them after a restart."""

    def __init__(self, secret: bytes) -> None:
        # Copied for each token: to begin with the secret anew would take half as long again.
        self._sealing = hmac.new(secret, digestmod="sha256")

    def task(self, token: TaskToken) -> str:
        fields = (_VERSION, token.kind, token.execution_id, token.scheduled_id, token.started_id)
        return self._seal(b"task", "|".join(map(str, fields)).encode())

    def read_task(self, text: str, kind: str) -> TaskToken:
        """Raises ValidationException ``Invalid token`` when forged, garbled or of the other kind."""
        token = self.any_task(text)
        if token.kind != kind:
            raise faults.invalid_token()
        return token

    def any_task(self, text: str) -> TaskToken:
        """As :meth:`read_task`, for a task of either kind."""
        fields = self._open(b"task", text).decode().split("|")
        if fields[0] != _VERSION:
            raise faults.invalid_token()
        return TaskToken(fields[1], int(fields[2]), int(fields[3]), int(fields[4]))

    def page(self, operation: str, scope: api.Object, position: api.Object, issued_ms: int) -> str:
        """A page token for ``operation``, bound to the arguments in ``scope``."""
        content = {"o": operation, "s": _digest(scope), "p": position, "t": issued_ms}
        return self._seal(b"page", orjson.dumps(content))

    def read_page(
        self, text: str, operation: str, scope: api.Object, now_ms: int, lifetime_s: int
    ) -> dict[str, api.Json]:
        """The position in a page token. Raises when it is not of this operation and scope, or too old."""
        content = orjson.loads(self._open(b"page", text))
        if content["o"] != operation or content["s"] != _digest(scope):
            raise faults.invalid_token()
        if now_ms - content["t"] > lifetime_s * 1000:
            raise faults.expired_token()
        position: dict[str, api.Json] = content["p"]
        return position

    def _seal(self, purpose: bytes, payload: bytes) -> str:
        sealed = self._mac(purpose, payload) + payload
        return _FIRST + base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def _open(self, purpose: bytes, text: str) -> bytes:
        if not text.startswith(_FIRST):
            raise faults.invalid_token()
        encoded = text.removeprefix(_FIRST)
        try:
            padded = encoded.encode("ascii") + b"=" * (-len(encoded) % 4)
            sealed = base64.b64decode(padded, altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error) as error:
            raise faults.invalid_token() from error
        mac, payload = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(purpose, payload)):
            raise faults.invalid_token()
        return payload

    def _mac(self, purpose: bytes, payload: bytes) -> bytes:
        sealing = self._sealing.copy()
        sealing.update(purpose + b"\0" + payload)
        return sealing.digest()[:_MAC_BYTES]


def run_id(entropy: bytes, counter: int) -> str:
    """A run id in the service's form; different for every counter under one entropy (spec/swf-semantics 2)."""
    raw = hmac.digest(entropy, counter.to_bytes(8, "big"), "sha256")
    return "22" + base64.b64encode(raw).decode()


def _digest(scope: api.Object) -> str:
    return hashlib.sha256(orjson.dumps(scope, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
