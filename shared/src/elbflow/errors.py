"""One error tree, split by who has to act.

::

    ElbflowError
     ├─ Retryable    the caller, again later: nothing was decided
     ├─ Permanent    the user: repeating the same request gives the same answer
     ├─ Cancelled    nobody: the work was called off and cleaned up
     └─ Defect       the maintainers: an assumption of the code does not hold

The first line of a class's docstring is its default message.
"""

from __future__ import annotations

import inspect


class ElbflowError(Exception):
    """Something in elbflow went wrong."""

    def __init__(self, message: str | None = None) -> None:
        if message is None:
            message = (inspect.getdoc(type(self)) or type(self).__name__).splitlines()[0]
        super().__init__(message)


class Retryable(ElbflowError):
    """The request could not be served now; repeat it later."""


class Permanent(ElbflowError):
    """The request can never succeed as it is; change it."""


class Cancelled(ElbflowError):
    """The work was cancelled."""


class Defect(ElbflowError):
    """An assumption of the code does not hold; this is a bug."""
