"""``Marker`` and ``NextMarker``: the key that a page ended with, opaque to clients."""

from __future__ import annotations

import base64
import binascii

from elbflow_api import query

LARGEST_PAGE = 400


def size(params: query.Params) -> int:
    """``PageSize``, whose bounds the model checks; 400 when it is not given."""
    return params.optional_integer("PageSize") or LARGEST_PAGE


def marker(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def after(params: query.Params) -> str:
    """The key that the page before ended with; empty for the first page. Raises ``ValidationError``."""
    given = params.optional_text("Marker")
    if not given:
        return ""
    try:
        key = base64.b64decode(given, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise query.validation_error("Invalid Marker") from None
    if "\0" in key:  # PostgreSQL takes no such text
        raise query.validation_error("Invalid Marker")
    return key
