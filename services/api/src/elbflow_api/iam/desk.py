"""What IAM's actions work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from elbflow import service
from elbflow.service import policies
from elbflow_api import faults, grants, query, tag_context
from elbflow_api.dependencies import Dependencies
from elbflow_api.iam import authority, delegation, sealing

SERVICE = "iam"


@dataclass(frozen=True, slots=True)
class Desk:
    """One request of one caller; ``held`` says what he may do, None that he may do everything."""

    params: query.Params
    caller: service.Identity
    held: grants.Grants | None
    room: Dependencies
    vault: sealing.Vault
    authorities: authority.Authorities
    nonces: delegation.Nonces

    def require(
        self,
        operation: str,
        path: str,
        name: str,
        *,
        tags: Iterable[tuple[str, str]] = (),
        shown: str | None = None,
    ) -> None:
        """Raise ``AccessDenied`` when the caller may not do this to the certificate, or to all below ``path``.

        ``tags`` are those that it has. ``shown`` stands for the ARN in the refusal where the caller does not know the
        path.
        """
        if self.held is None:
            return
        action, resource = f"{SERVICE}:{operation}", arn(self.caller.account, path, name)
        context = {**self.held.context, **tag_context.of_request(self.params), **tag_context.of_resource(tags)}
        decision = self.held.decide(policies.Request(action, resource, context))
        if decision is not policies.Decision.ALLOWED:
            reason = (
                "with an explicit deny in an identity-based policy"
                if decision is policies.Decision.DENIED
                else f"because no identity-based policy allows the {action} action"
            )
            raise faults.access_denied(
                f"User: {self.held.shown} is not authorized to perform: {action} on resource: {shown or resource} "
                f"{reason}"
            )


Action: TypeAlias = Callable[[Desk], Awaitable[query.Response]]


def arn(account: str, path: str, name: str) -> str:
    """The certificate's ARN; ``path`` begins and ends with a slash."""
    return f"arn:aws:iam::{account}:server-certificate{path}{name}"
