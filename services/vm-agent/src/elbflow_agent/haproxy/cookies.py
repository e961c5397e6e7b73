"""How clients stay with one server: the load balancer's cookie and the application's (spec/vm-agent-data-plane 3.4).

``AWSELB`` of its own accord is HAProxy's. One that follows an application's cookie is not: it is set when the
application sets its cookie and lives as long, counts only while the client presents that cookie too, and is set anew
when another server had to take over. HAProxy's own cookies can do none of this, so rules do it, and a map that the
agent keeps says which server a value means.
"""

from __future__ import annotations

import base64
import re

from elbflow_agent.haproxy import model, place, safe

COOKIE = "AWSELB"
_UNCACHED = "add-header Cache-Control 'no-cache=\"set-cookie\"'"


def rules(listener: model.Listener, where: place.Place) -> list[str]:
    """Lines of the listener's back end."""
    match listener.stickiness:
        case model.Stickiness() as own:
            return _own(own, secure=listener.tls is not None)
        case model.AppStickiness() as followed:
            return _followed(followed, where, secure=listener.tls is not None)
        case None:
            return []


def _own(stickiness: model.Stickiness, *, secure: bool) -> list[str]:
    lasting, life = "", ""
    if stickiness.duration_s is not None:
        # The browser forgets it in time, and keeps it until then; what it sends later than that counts no more.
        lasting, life = f" attr Max-Age={stickiness.duration_s}", f" maxlife {stickiness.duration_s}s"
    return [
        # Dynamic values need no keyword on the server line, so servers can join at run time.
        f"cookie {COOKIE} insert indirect httponly{' secure' if secure else ''}{lasting} dynamic{life}",
        f"dynamic-cookie-key {safe.key(stickiness.key)}",
        # Only this rule set sees the cookie that HAProxy itself inserts. Its word for "nocache" looks at every answer.
        f"http-after-response {_UNCACHED} if {{ res.hdr(Set-Cookie) -m beg {COOKIE}= }}",
    ]


def _followed(stickiness: model.AppStickiness, where: place.Place, *, secure: bool) -> list[str]:
    name, routes = safe.cookie_name(stickiness.cookie), safe.path(str(where.routes))
    key = base64.b64encode(safe.key(stickiness.key).encode()).decode()
    flags = "; HttpOnly; Secure" if secure else "; HttpOnly"
    # A response may set many cookies; this keeps those attributes of the application's that bound its life.
    life = (
        f'res.hdrs,regsub("^(?:(?s:.*?)\\n)?set-cookie: {_literally(name)}=[^;\\r\\n]*([^\\r\\n]*)(?s:.*)$","\\1"),'
        'regsub(";(?! *(?:expires|max-age)=)[^;]*","",ig)'
    )
    return [
        f"http-request set-var(txn.elb_bound) req.cook({COOKIE}) if {{ req.cook({name}) -m found }}",
        f"use-server %[var(txn.elb_bound),map({routes})] if {{ var(txn.elb_bound),map({routes}) -m found }}",
        f"http-response set-var(txn.elb_serving) srv_name,hmac(sha256,{key}),bytes(0,16),hex,lower",
        f"acl app-cookie-set res.cook({name}) -m found",
        "acl was-bound var(txn.elb_bound) -m found",
        "acl is-same var(txn.elb_bound),strcmp(txn.elb_serving) eq 0",
        "http-response set-var(txn.elb_bind) bool(true) if app-cookie-set or was-bound !is-same",
        f"http-response set-var(txn.elb_life) '{life}' if app-cookie-set",
        f'http-response add-header Set-Cookie "{COOKIE}=%[var(txn.elb_serving)]; Path=/%[var(txn.elb_life)]{flags}"'
        " if { var(txn.elb_bind) -m bool }",
        f"http-response {_UNCACHED} if {{ var(txn.elb_bind) -m bool }}",
    ]


def _literally(name: str) -> str:
    """The name as a regular expression, without backslashes: HAProxy takes them for its own."""
    return re.sub(r"[.+]", r"[\g<0>]", name)
