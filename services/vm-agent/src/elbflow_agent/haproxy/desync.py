"""Requests that servers could read differently than HAProxy (spec/vm-agent-data-plane F94, AWS's desync mitigation).

HAProxy's own parser refuses what AWS calls severe in every mode, rewrites what has both a length and chunks, and is
never made more lenient than it is: what it passes on is well-formed. docs/data-plane.md has the table.
"""

from __future__ import annotations

from elbflow_agent.haproxy import model

# A body where none has a meaning; the length comes first because most requests have none.
_ODD = "{ req.body_size gt 0 } { method GET HEAD }"
_ODD_CHUNKED = "{ req.hdr(transfer-encoding) -m found } { method GET HEAD }"
IS_ODD = "{ var(txn.elb_odd) -m bool }"
"""Condition: the request is one after which connections are closed."""
# HAProxy 2.6 reads 2^64 as 0 and passes it on as it is: what the server takes for a body is the next request.
_OVERLONG = "http-request deny deny_status 400 if { req.hdr(content-length),length gt 19 }"


def frontend_lines(mode: model.Desync) -> list[str]:
    """All lines of an HTTP front end."""
    return [*first_lines(mode), *seldom_lines(mode)]


def first_lines(mode: model.Desync) -> list[str]:
    """Lines for every request."""
    match mode:
        case model.Desync.MONITOR:
            return []
        case model.Desync.DEFENSIVE:
            return [f"http-after-response set-header Connection close if {IS_ODD}"]
        case model.Desync.STRICTEST:
            return [
                f"http-request deny deny_status 400 if {_ODD} or {_ODD_CHUNKED}",
                "http-request deny deny_status 400 if { method GET HEAD } { req.hdr(content-length) -m found }",
                # Names that some servers take for those of lengths.
                "http-request deny deny_status 400 if { req.hdr_names -m reg content[^-]length|transfer[^-]encoding }",
                r"http-request deny deny_status 400 if { req.hdrs -m reg '[\x00\x80-\xff]' }",
            ]


def seldom_lines(mode: model.Desync) -> list[str]:
    """Lines for requests that announce a body."""
    match mode:
        case model.Desync.MONITOR:
            return []
        case model.Desync.DEFENSIVE:
            # As AWS does: the request is served, and neither connection is used for another one.
            return [
                _OVERLONG,
                f"http-request set-var(txn.elb_odd) bool(true) if {_ODD} or {_ODD_CHUNKED}",
                f"http-request set-header Connection close if {IS_ODD}",
            ]
        case model.Desync.STRICTEST:
            return [_OVERLONG]
