"""All rows, and what no request can bring about."""

from __future__ import annotations

from collections.abc import Iterable

from tests.integration.api.golden import changes, in_vpc, load_balancers, policies, stages
from tests.integration.api.golden.table import Refused, Row

PLAYED: list[Row] = [*load_balancers.ROWS, *changes.ROWS, *in_vpc.ROWS, *policies.ROWS]
"""Rows of the usual stage."""

ROWS: list[Row] = [*PLAYED, *(row for stage in stages.LIKE_AWS.values() for row in stage.rows)]

NEVER: dict[tuple[str, str], str] = {
    ("CreateLoadBalancer", "OperationNotPermitted"): "AWS answers it to accounts that may not use the service at all",
    ("DescribeLoadBalancers", "DependencyThrottle"): "nothing that a description needs is throttled here",
    ("DescribeLoadBalancerAttributes", "LoadBalancerAttributeNotFound"): "the request names no attribute",
    (
        "CreateLBCookieStickinessPolicy",
        "InvalidConfigurationRequest",
    ): "a wrong period is a ValidationError",
    (
        "AttachLoadBalancerToSubnets",
        "InvalidSubnet",
    ): "subnets of another VPC or twice in a zone are a conflict",
    ("SetLoadBalancerListenerSSLCertificate", "UnsupportedProtocol"): "the listener's protocol was checked before",
}
"""Modelled errors that the operation does not answer here, and why not."""


def through_the_cli() -> list[Row]:
    """The first row of each operation that succeeds, and those that ask for it."""
    first: dict[str, Row] = {}
    for row in PLAYED:
        if not isinstance(row.expected, Refused):
            first.setdefault(row.call.operation, row)
    return [*first.values(), *(row for row in PLAYED if row.cli and row not in first.values())]


def groups(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows that may share an account: those that change nothing and need the same calls before them."""
    found: list[list[Row]] = []
    for row in rows:
        same = [group for group in found if group[0].harmless and group[0].after == row.after] if row.harmless else []
        if same:
            same[0].append(row)
        else:
            found.append([row])
    return found


def proven_errors(operation: str) -> set[str]:
    """The codes that rows of the operation are refused with."""
    return {row.expected.code for row in ROWS if row.call.operation == operation and isinstance(row.expected, Refused)}
