"""Why the engine may refuse what it could serve at another time."""

from __future__ import annotations

from elbflow import errors


class Unavailable(errors.Retryable):
    """The engine cannot serve this now; nothing was changed. 503 on the wire."""


class Overloaded(Unavailable):
    """There is too much to do: the request was given up so that others are served."""
