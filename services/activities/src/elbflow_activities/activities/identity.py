"""The role of a load balancer's VMs and its policies (spec/elb-control-plane 5.3, 5.5, 5.6, 5.7, 7.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import structlog

from elbflow import errors
from elbflow.contract import document, names
from elbflow.service import policy_conditions
from elbflow_activities import changes
from elbflow_activities.environment import Environment

log = structlog.get_logger()

_TEST_OBJECT_S = 10.0
_VM_STATEMENT: Mapping[str, object] = {
    "Effect": "Allow",
    "Action": [
        "swf:PollForActivityTask",
        "swf:RegisterActivityType",
        "swf:RespondActivityTaskCanceled",
        "swf:RespondActivityTaskCompleted",
        "swf:RespondActivityTaskFailed",
        "swf:RecordActivityTaskHeartbeat",
    ],
    "Resource": "*",
}


class Identity:
    """Roles, instance profiles and role policies."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    # --- the VMs' role ---------------------------------------------------------------------------------

    async def iam_role_setup(self, key: document.LoadBalancerKey) -> str:
        role = names.role_name((await changes.read(self._env, key)).key)
        await self._env.cloud.ensure_role(role)
        return role

    async def instance_profile_setup(self, key: document.LoadBalancerKey, role: str) -> str:
        profile = names.role_name((await changes.read(self._env, key)).key)
        await self._env.cloud.ensure_instance_profile(profile, role)
        return profile

    async def iam_policy_setup(self, key: document.LoadBalancerKey, role: str) -> str:
        await changes.read(self._env, key)
        await self._env.cloud.put_role_policy(role, names.VM_POLICY, _VM_STATEMENT)
        return names.VM_POLICY

    async def delete_instance_profile(self, key: document.LoadBalancerKey) -> None:
        if await changes.find_own(self._env, key) is not None:
            await self._env.cloud.delete_instance_profile(names.role_name(key))

    async def delete_iam_role(self, key: document.LoadBalancerKey) -> None:
        if await changes.find_own(self._env, key) is not None:
            await self._env.cloud.delete_role(names.role_name(key))

    # --- server certificates ---------------------------------------------------------------------------

    async def listener_check_certificates(self, key: document.LoadBalancerKey, ports: tuple[int, ...]) -> None:
        lb = await changes.read(self._env, key)
        for arn in _certificates(listener for listener in lb.listeners if listener.port in ports):
            await self._env.cloud.require_certificate(lb.key.account, arn)

    async def listener_authorize_certificates(
        self, key: document.LoadBalancerKey, ports: tuple[int, ...]
    ) -> tuple[str, ...]:
        lb = await changes.read(self._env, key)
        wanted = _certificates(listener for listener in lb.listeners if listener.port in ports)
        others = _certificates(listener for listener in lb.listeners if listener.port not in ports)
        for arn in wanted:
            policy = names.certificate_policy_name(lb.key, arn)
            await self._env.cloud.put_role_policy(names.role_name(lb.key), policy, _download_statement(arn))
        return tuple(names.certificate_policy_name(lb.key, arn) for arn in wanted if arn not in others)

    async def listener_authorize_certificates_rollback(
        self, key: document.LoadBalancerKey, policies: tuple[str, ...]
    ) -> None:
        for policy in policies:
            await self._env.cloud.delete_role_policy(names.role_name(key), policy)

    async def listener_revoke_certificates(self, key: document.LoadBalancerKey) -> None:
        lb = await changes.read(self._env, key)
        needed = {names.certificate_policy_name(lb.key, arn) for arn in _certificates(lb.listeners)}
        role, prefix = names.role_name(lb.key), names.certificate_policy_prefix(lb.key)
        for policy in await self._env.cloud.role_policies(role):
            if policy.startswith(prefix) and policy not in needed:
                await self._env.cloud.delete_role_policy(role, policy)

    # --- access logs -----------------------------------------------------------------------------------

    async def access_log_policy_setup(self, key: document.LoadBalancerKey, attributes: document.Attributes) -> None:
        lb = await changes.read(self._env, key)
        statement = _access_log_statement(attributes)
        await self._env.cloud.put_role_policy(names.role_name(lb.key), names.ACCESS_LOG_POLICY, statement)
        await self._put_test_object(lb.key, attributes)

    async def _put_test_object(self, key: document.LoadBalancerKey, attributes: document.Attributes) -> None:
        """Show the bucket's owner that logs will arrive. That they cannot yet is no failure: VMs try until they can."""
        if self._env.objects is None or not attributes.access_log_bucket:
            return
        name = names.access_log_test_key(key, attributes.access_log_prefix)
        try:
            async with asyncio.timeout(_TEST_OBJECT_S):
                await self._env.objects.put(attributes.access_log_bucket, name, b"")
        except (errors.Retryable, TimeoutError) as error:
            log.warning("access_log_test_object_not_stored", load_balancer=key.name, reason=str(error))

    async def access_log_policy_rollback(self, key: document.LoadBalancerKey) -> None:
        lb = await changes.read(self._env, key)
        if lb.attributes.access_log_enabled:
            await self.access_log_policy_setup(key, lb.attributes)
        else:
            await self.access_log_policy_delete(key)

    async def access_log_policy_delete(self, key: document.LoadBalancerKey) -> None:
        await self._env.cloud.delete_role_policy(names.role_name(key), names.ACCESS_LOG_POLICY)


def _certificates(listeners: Iterable[document.Listener]) -> tuple[str, ...]:
    """The certificates that the listeners name, each once."""
    return tuple(dict.fromkeys(one.certificate_arn for one in listeners if one.certificate_arn))


def _download_statement(arn: str) -> Mapping[str, object]:
    """For this certificate alone: owners choose paths, and IAM lets them have stars."""
    resource = policy_conditions.literal(arn)
    return {"Effect": "Allow", "Action": ["iam:DownloadServerCertificate"], "Resource": resource}


def _access_log_statement(attributes: document.Attributes) -> Mapping[str, object]:
    prefix = attributes.access_log_prefix.strip("/")
    place = policy_conditions.literal("/".join(filter(None, (attributes.access_log_bucket, prefix))))
    return {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": f"arn:aws:s3:::{place}/*"}
