"""Which certificates an endpoint may show, as botocore decides it; blocking file reads, so run it in a thread."""

from __future__ import annotations

import os
import ssl
from urllib.parse import urlsplit

from botocore.httpsession import create_urllib3_context, get_cert_path
from botocore.utils import get_environ_proxies


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for ``url``."""
    proxies: dict[str, str] = get_environ_proxies(url)
    return proxies.get(urlsplit(url).scheme)


def context_for(url: str, bundle: str | None) -> ssl.SSLContext | None:
    """TLS settings for ``url``, None when it is plain HTTP.

    ``bundle`` is the session's ``ca_bundle``; without it ``REQUESTS_CA_BUNDLE`` counts, then botocore's own.
    """
    if urlsplit(url).scheme != "https":
        return None
    context: ssl.SSLContext = create_urllib3_context()
    context.check_hostname = True
    context.load_verify_locations(get_cert_path(bundle or os.environ.get("REQUESTS_CA_BUNDLE") or True))
    return context
