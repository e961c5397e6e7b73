"""SWF faults as exceptions, classified by code, never by HTTP status (spec/swf-semantics 1.3).

::

    SwfError
     ├─ UnknownResource, AlreadyExists, TypeDeprecated, DefaultUndefined, Invalid, Denied    Permanent
     └─ Throttled, LimitExceeded, Unavailable, Unauthenticated, Ambiguous, ConnectFailed     Retryable
"""

from __future__ import annotations

from elbflow import errors


class SwfError(errors.ElbflowError):
    """SWF refused the call.

    ``code`` is the wire code (empty for transport failures), ``operation`` the SWF operation that failed.
    ``after_ambiguous`` is set when an earlier try of the same call may have been carried out: an
    :class:`AlreadyStarted` may then be the caller's own execution (spec/swf-semantics 6.3).
    """

    def __init__(self, message: str | None = None, *, code: str = "", operation: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.operation = operation
        self.after_ambiguous = False


class UnknownResource(SwfError, errors.Permanent):
    """The domain, type, execution or task does not exist or is closed."""


class AlreadyExists(SwfError, errors.Permanent):
    """The domain or type is already registered."""


class AlreadyStarted(SwfError, errors.Permanent):
    """An open execution has this workflow id."""


class TypeDeprecated(SwfError, errors.Permanent):
    """The type is deprecated."""


class DefaultUndefined(SwfError, errors.Permanent):
    """A value was neither given nor defaulted by the type."""


class Invalid(SwfError, errors.Permanent):
    """The request does not satisfy a constraint."""


class Denied(SwfError, errors.Permanent):
    """The caller lacks permission."""


class Throttled(SwfError, errors.Retryable):
    """Rate exceeded."""


class LimitExceeded(SwfError, errors.Retryable):
    """A resource limit is reached."""


class Unauthenticated(SwfError, errors.Retryable):
    """The credentials were not accepted; refresh them."""


class Unavailable(SwfError, errors.Retryable):
    """The service answered with a server error."""


class ConnectFailed(SwfError, errors.Retryable):
    """No connection: the request was not sent."""


class Ambiguous(SwfError, errors.Retryable):
    """The connection was lost after the request was sent; it may have been carried out."""
