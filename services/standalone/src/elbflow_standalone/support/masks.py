"""Texts without secrets (spec/vm-agent-data-plane 10, no. 155; REQ-1.13).

Twice: by where a secret stands in a file that we know, and by what it is, wherever it turns up.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Iterable

from elbflow.service import redaction
from elbflow_standalone.support import public_keys

_SHORTEST = 8
"""Shorter ones are no secrets of ours, and would be found in any text."""
_UNSHOWN_COLUMNS = frozenset({"cookie"})
_COOKIE_KEY = re.compile(r"(?:(?<=dynamic-cookie-key )|(?<=hmac\(sha256,))[^\s)]+")
_SAID = re.compile(
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-amz-security-token|aws_secret_access_key|aws_session_token"
    r"|secret_access_key|session_token|master[_-]?key|password|passwd|secret|token)(\"?\s*[:=]\s*)[^\r\n,}]+"
)
_BEARER = re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+")
_ROUTE = re.compile(r"\bAWSELB=[^;\s\"]+")
_CUT_KEY = re.compile(r"\A(?:(?!-----BEGIN ).)*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)


class Masks:
    """Knows the secrets of this machine, as they are and in base64, and takes them out of everything."""

    def __init__(self, known: Iterable[str]) -> None:
        forms = {form for secret in known if len(secret) >= _SHORTEST for form in _forms(secret)}
        # The longest first: one may be part of another.
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def text(self, text: str) -> str:
        """Any text. Everything passes here at last."""
        return self._known.sub(redaction.REDACTED, redaction.scrub(text))

    def configuration(self, text: str) -> str:
        """A ``haproxy.cfg``: cookies' keys are in it."""
        return self.text(_COOKIE_KEY.sub(redaction.REDACTED, text))

    def values(self, value: object) -> str:
        """A JSON value, for people."""
        return self.text(json.dumps(redaction.redact(value), indent=2, ensure_ascii=False) + "\n")

    def document(self, text: str) -> str:
        """A load-balancer document: of keys in policies only public ones stay, written anew. Raises ``ValueError``."""
        told = json.loads(text)
        for policy in told.get("policies", ()):
            policy["attributes"] = [
                [name, public_keys.public(value) or redaction.REDACTED if name == "PublicKey" else value]
                for name, value in policy.get("attributes", ())
            ]
        return self.values(told)

    def log(self, text: str) -> str:
        """The end of a log; lines of JSON are masked by the names of their fields, too."""
        text = _CUT_KEY.sub(redaction.REDACTED, redaction.scrub(text))
        return self.text("".join(_line(line) for line in text.splitlines(keepends=True)))

    def statistics(self, text: str) -> str:
        """HAProxy's ``show stat`` less the values of cookies."""
        rows = list(csv.reader(io.StringIO(text)))
        names = rows[0] if rows else []
        hidden = {at for at, name in enumerate(names) if name in _UNSHOWN_COLUMNS}
        written = io.StringIO()
        shown = ([value for at, value in enumerate(row) if at not in hidden] for row in rows)
        csv.writer(written, lineterminator="\n").writerows(shown)
        return self.text(written.getvalue())


def cookie_keys(configuration: str) -> set[str]:
    """The keys of cookies in a ``haproxy.cfg``."""
    return set(_COOKIE_KEY.findall(configuration))


def _forms(secret: str) -> set[str]:
    encoded = base64.b64encode(secret.encode()).decode()
    try:
        decoded = base64.b64decode(secret, validate=True).decode()
    except ValueError:
        decoded = ""
    quoted = json.dumps(secret)[1:-1]
    return {form for form in (secret, encoded, decoded, quoted) if len(form) >= _SHORTEST}


def _line(line: str) -> str:
    try:
        fields = json.loads(line)
    except ValueError:
        return _said(line)
    if not isinstance(fields, dict):
        return _said(line)
    return json.dumps(_said_within(redaction.redact_fields(fields)), ensure_ascii=False) + "\n"


def _said_within(value: object) -> object:
    """The same in all texts of a JSON value."""
    if isinstance(value, str):
        return _said(value)
    if isinstance(value, dict):
        return {name: _said_within(each) for name, each in value.items()}
    return [_said_within(each) for each in value] if isinstance(value, list) else value


def _said(text: str) -> str:
    """What people and libraries write beside the names of secrets."""
    text = _SAID.sub(rf"\1\2{redaction.REDACTED}", text)
    return _ROUTE.sub(f"AWSELB={redaction.REDACTED}", _BEARER.sub(redaction.REDACTED, text))
