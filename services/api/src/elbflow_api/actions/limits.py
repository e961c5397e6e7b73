"""DescribeAccountLimits."""

from __future__ import annotations

from elbflow_api import query
from elbflow_api.dependencies import Call, Dependencies
from elbflow_api.rules import limits, paging


async def describe_account_limits(call: Call, room: Dependencies) -> query.Response:
    """The account's limits in AWS's order, in pages."""
    everything = list(limits.of(call.quotas, room.settings).items())
    after, size = paging.after(call.params), paging.size(call.params)
    names = [name for name, _ in everything]
    if after and after not in names:
        raise query.validation_error("Invalid Marker")
    first = names.index(after) + 1 if after else 0
    page = everything[first : first + size]
    more = first + size < len(everything)
    return {
        "Limits": [{"Name": name, "Max": str(most)} for name, most in page],
        "NextMarker": paging.marker(page[-1][0]) if more else None,
    }
