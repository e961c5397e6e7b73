"""The answer to a download as the original's agents read it (spec/vm-agent-data-plane 7.6)."""

from __future__ import annotations

from xml.sax.saxutils import escape

from elbflow_api import query

_NAMESPACE = "http://msgs.eucalyptus.com/4.4.2"
_ROOT = "DownloadServerCertificateResponseType"
_RESULT = "downloadServerCertificateResult"


def original(answer: query.Response) -> bytes:
    """The original falls back to its internal binding here: other names, and no request id."""
    fields = "".join(
        f"<euca:{name[0].lower()}{name[1:]}>{escape(value)}</euca:{name[0].lower()}{name[1:]}>"
        for name, value in answer.items()
        if isinstance(value, str)
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><euca:{_ROOT} xmlns:euca="{_NAMESPACE}">'
        f"<euca:{_RESULT}>{fields}</euca:{_RESULT}></euca:{_ROOT}>"
    ).encode()
