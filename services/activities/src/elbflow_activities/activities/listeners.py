"""Rows of listeners and the first health check (spec/elb-control-plane 5.5)."""

from __future__ import annotations

import structlog

from elbflow.contract import document
from elbflow_activities import changes
from elbflow_activities.activities import identity
from elbflow_activities.cloud import base
from elbflow_activities.environment import Environment

log = structlog.get_logger()


class Listeners:
    """What listeners need besides certificates and open ports."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def listener_default_health_check(self, key: document.LoadBalancerKey) -> None:
        async with changes.changing(self._env, key) as change:
            lb = change.lb
            if lb.health_check is None and lb.listeners:
                check = document.HealthCheck(f"TCP:{lb.listeners[0].instance_port}")
                await change.tx.load_balancers.set_health_check(lb.id, check)

    async def listener_rollback(self, key: document.LoadBalancerKey, ports: tuple[int, ...]) -> None:
        async with changes.changing(self._env, key) as change:
            await change.tx.load_balancers.delete_listeners(change.lb.id, ports)

    async def listener_certificate_commit(self, key: document.LoadBalancerKey) -> None:
        async with changes.changing(self._env, key) as change:
            change.push = True

    async def listener_certificate_rollback(
        self, key: document.LoadBalancerKey, port: int, arn: str, former_arn: str | None
    ) -> None:
        """A former certificate that was deleted meanwhile does not come back: the listener keeps the new one."""
        keeps = former_arn is not None and not await self._is_there(key, former_arn)
        async with changes.changing(self._env, key) as change:
            listener = change.lb.listener_on(port)
            if listener is None or listener.certificate_arn != arn:
                return
            if not keeps:
                await change.tx.load_balancers.set_listener_certificate(change.lb.id, port, former_arn)
        if keeps:
            log.warning("certificate_kept", load_balancer=key.name, port=port, former=former_arn)
            await identity.Identity(self._env).listener_authorize_certificates(key, (port,))
            await self.listener_certificate_commit(key)

    async def _is_there(self, key: document.LoadBalancerKey, arn: str) -> bool:
        try:
            await self._env.cloud.require_certificate(key.account, arn)
        except base.CertificateUnknown:
            return False
        return True
