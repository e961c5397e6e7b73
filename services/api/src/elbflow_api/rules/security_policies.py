"""Predefined security policies and the samples (spec/elb-control-plane 3.2, 3.4), from a file that operators may edit.

The file is JSON: ``default`` names the policy that new HTTPS and SSL listeners get, ``policies`` lists each with its
name, protocols, ciphers and whose order of ciphers counts. Ciphers are used in the service's order, whatever theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import pydantic

from elbflow import errors
from elbflow.contract import cipher_suites, document
from elbflow_api.rules import policy_types

_LARGEST_FILE = 1024 * 1024
_SAMPLES = (
    document.Policy(
        "ELBSample-AppCookieStickinessPolicy",
        policy_types.APP_COOKIE,
        ((policy_types.COOKIE_NAME, "ELBSampleCookie"),),
    ),
    document.Policy(
        "ELBSample-LBCookieStickinessPolicy", policy_types.LB_COOKIE, ((policy_types.COOKIE_PERIOD, "100"),)
    ),
)


class BadSecurityPolicies(errors.Permanent):
    """The file of security policies cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The predefined policies by name, security policies first, and the one that is the default."""

    policies: Mapping[str, document.Policy]
    default: document.Policy

    def attributes_of(self, reference: str) -> tuple[tuple[str, str], ...] | None:
        """What a policy that refers to ``reference`` consists of; None when there is no such security policy."""
        policy = self.policies.get(reference)
        if policy is None or policy.type_name != policy_types.SSL_NEGOTIATION:
            return None
        return policy_types.negotiation((name for name, _ in policy.attributes), reference)

    def default_policy(self) -> document.Policy:
        """The default as a policy of one load balancer, which keeps it when the predefined one changes."""
        attributes = self.attributes_of(self.default.name)
        assert attributes is not None
        return document.Policy(self.default.name, policy_types.SSL_NEGOTIATION, attributes)


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class _SecurityPolicy(_Model):
    name: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9-]{1,128}$")]
    protocols: Annotated[
        tuple[Literal["SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2"], ...], pydantic.Field(min_length=1)
    ]
    server_cipher_order: bool
    ciphers: Annotated[tuple[str, ...], pydantic.Field(min_length=1)]

    @pydantic.field_validator("ciphers")
    @classmethod
    def _known(cls, ciphers: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [one for one in ciphers if one not in cipher_suites.ALL]:
            raise ValueError(f"there are no ciphers {', '.join(unknown)}")
        return ciphers

    def policy(self) -> document.Policy:
        enabled = [policy_types.protocol_attribute(protocol) for protocol in self.protocols]
        if self.server_cipher_order:
            enabled.append(policy_types.SERVER_ORDER)
        attributes = policy_types.negotiation([*enabled, *self.ciphers])
        return document.Policy(self.name, policy_types.SSL_NEGOTIATION, attributes)


class _File(_Model):
    default: str
    policies: Annotated[tuple[_SecurityPolicy, ...], pydantic.Field(min_length=1)]

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> _File:
        names = [one.name for one in self.policies]
        names += [sample.name for sample in _SAMPLES]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"more than one policy is named {', '.join(sorted(repeated))}")
        if self.default not in {one.name for one in self.policies}:
            raise ValueError(f"the default {self.default} is not among the policies")
        return self


def parse(text: str | bytes, source: str) -> Catalogue:
    """The catalogue of a file's text; ``source`` names it in errors. Raises :class:`BadSecurityPolicies`."""
    try:
        read = _File.model_validate_json(text)
    except pydantic.ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors(include_url=False)[:5]
        )
        raise BadSecurityPolicies(f"{source}: {problems}") from error
    policies = [one.policy() for one in read.policies]
    by_name = {policy.name: policy for policy in (*policies, *_SAMPLES)}
    return Catalogue(by_name, by_name[read.default])


def load(path: Path) -> Catalogue:
    """The catalogue in an operator's file. Raises :class:`BadSecurityPolicies`; reads the file, so not on the loop."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise BadSecurityPolicies(f"{path}: {error.strerror or error}") from error
    if len(content) > _LARGEST_FILE:
        raise BadSecurityPolicies(f"{path} is larger than {_LARGEST_FILE} bytes")
    return parse(content, str(path))


PACKAGED = parse(
    resources.files("elbflow_api").joinpath("data/security-policies.json").read_bytes(), "security-policies.json"
)
"""The policies of AWS, and those it has for other kinds of load balancers."""
