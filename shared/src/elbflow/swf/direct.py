"""aiobotocore's HTTP session, with requests that go nowhere but to the endpoint (spec/swf-long-poll-scale 5.9)."""

from __future__ import annotations

from functools import partial

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession


class _Direct:
    """Requests of ``session``, as aiobotocore sends them, whose redirects are answers like any other."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        # A redirect would take the signed request, its token and the body to whoever is named there.
        self.request = partial(session.request, allow_redirects=False)


class DirectSession(AIOHTTPSession):  # type: ignore[misc]
    """Answers a redirect with its status, which is no success, as botocore's own session does."""

    async def _get_session(self, proxy_url: str | None) -> _Direct:
        return _Direct(await super()._get_session(proxy_url))
