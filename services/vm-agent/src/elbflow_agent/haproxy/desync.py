"""Requests that servers could read differently than HAProxy (spec/vm-agent-data-plane F94, AWS's desync mitigation).

HAProxy's own parser refuses what AWS calls severe in every mode, rewrites what has both a length and chunks, and is
never made more lenient than it is: what it passes on is well-formed. docs/data-plane.md has the table.
"""

from __future__ import annotations

from elbflow_agent.haproxy import model

# A body where none has a meaning; the length comes first because most requests have none.
_ODD = "{ req.body_size gt 0 } { method GET HEAD }"
_ODD_CHUNKED = "{ req.hdr(transfer-encoding) -m found } { method GET HEAD }"


def frontend_lines(mode: model.Desync) -> list[str]:
    """Lines of every HTTP front end."""
    match mode:
        case model.Desync.MONITOR:
            return []
        case model.Desync.DEFENSIVE:
            # As AWS does: the request is served, and neither connection is used for another one.
            return [
                f"http-request set-var(txn.elb_odd) bool(true) if {_ODD} or {_ODD_CHUNKED}",
                "http-request set-header Connection close if { var(txn.elb_odd) -m bool }",
                "http-after-response set-header Connection close if { var(txn.elb_odd) -m bool }",
            ]
        case model.Desync.STRICTEST:
            return [
                f"http-request deny deny_status 400 if {_ODD} or {_ODD_CHUNKED}",
                "http-request deny deny_status 400 if { method GET HEAD } { req.hdr(content-length) -m found }",
                # Names that some servers take for those of lengths.
                "http-request deny deny_status 400 if { req.hdr_names -m reg content[^-]length|transfer[^-]encoding }",
                r"http-request deny deny_status 400 if { req.hdrs -m reg '[\x80-\xff]' }",
            ]
