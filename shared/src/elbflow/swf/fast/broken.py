"""Exceptions of aiohttp as the ones that botocore raises in their place.

:mod:`elbflow.swf.classify` tells by them whether a request may have been carried out, so the fast path must raise the
same ones as aiobotocore's HTTP session does, which looks at them in the same order.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

import aiohttp
from aiohttp import http_exceptions
from botocore import exceptions

_CLOSED = (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, http_exceptions.BadStatusLine)
_CONNECTION = (aiohttp.ClientConnectionError, socket.gaierror)


def as_botocore(error: Exception, url: str) -> Exception:
    """What botocore raises when sending a request to ``url`` ends with ``error``."""
    made: Callable[..., Exception]
    if isinstance(error, aiohttp.ClientSSLError):
        made = exceptions.SSLError
    elif isinstance(error, _CLOSED):
        made = exceptions.ConnectionClosedError
    elif isinstance(error, aiohttp.ServerTimeoutError):
        connecting = str(error).lower().startswith("connect")
        made = exceptions.ConnectTimeoutError if connecting else exceptions.ReadTimeoutError
    elif isinstance(error, _CONNECTION):
        made = exceptions.EndpointConnectionError
    elif isinstance(error, TimeoutError):
        made = exceptions.ReadTimeoutError
    else:
        made = exceptions.HTTPClientError
    return made(endpoint_url=url, error=error)
