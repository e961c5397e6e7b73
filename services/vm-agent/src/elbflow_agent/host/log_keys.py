"""Access logs of a host's VMs in the name of their load balancers' roles (spec/vm-agent-data-plane 6.1).

To a real VM its role's keys come from the metadata service. A host assumes the roles, where S3 knows what STS gives.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp

from elbflow import clock, signers
from elbflow.contract import document, names
from elbflow_agent import trust
from elbflow_agent.accesslog import api as accesslog
from elbflow_agent.certificates import calls, roles
from elbflow_agent.settings import HostSettings

_CONNECTIONS = 2
SESSION_NAME = "access-logs"


class LogKeys:
    """The roles of load balancers, each assumed when it is first needed."""

    def __init__(self, requests: calls.Calls, endpoint: str, system_account: str, time: clock.Clock) -> None:
        self._calls = requests
        self._endpoint = endpoint
        self._system_account = system_account
        self._clock = time
        self._own = signers.OwnKeys(time)
        self._roles: dict[document.LoadBalancerKey, roles.AssumedRole] = {}

    def of(self, to: accesslog.Destination) -> signers.Signer:
        """Whoever stores what goes ``to`` there."""
        key = document.LoadBalancerKey(to.account, to.name)
        if key not in self._roles:
            arn = names.role_arn(self._system_account, names.role_name(key))
            self._roles[key] = roles.AssumedRole(arn, SESSION_NAME, self._own, self._calls, self._endpoint, self._clock)
        return self._roles[key]


@contextlib.asynccontextmanager
async def opened(settings: HostSettings, time: clock.Clock) -> AsyncIterator[LogKeys | None]:
    """By the host's settings; None when it stores with its own credentials."""
    if not settings.agent_log_roles or settings.agent_sts_endpoint is None:
        yield None
        return
    context = await asyncio.to_thread(trust.context, settings.agent_sts_endpoint)
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=context)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        requests = calls.Calls(session, settings.swf_region)
        yield LogKeys(requests, settings.agent_sts_endpoint, settings.agent_system_account, time)
