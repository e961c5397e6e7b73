"""What an HTTPS or SSL listener offers its clients, by its SSL negotiation policy (spec/vm-agent-data-plane 3.4, 3.5).

Without a policy, and with one of which nothing is left, the default policy is in force; the latter is remarked upon.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from elbflow import errors
from elbflow.contract import document
from elbflow_agent.haproxy import ciphers, model

NEGOTIATION = "SSLNegotiationPolicyType"
DEFAULT = "ELBSecurityPolicy-2016-08"

_SERVER_ORDER = "Server-Defined-Cipher-Order"
_V = model.TlsVersion
_PROTOCOLS = {
    "Protocol-TLSv1": _V.V1_0,
    "Protocol-TLSv1.1": _V.V1_1,
    "Protocol-TLSv1.2": _V.V1_2,
    "Protocol-TLSv1.3": _V.V1_3,
}
"""SSLv2 and SSLv3 are no more in OpenSSL 3."""
_DEFAULT_CIPHERS = frozenset(
    cipher
    for cipher in ciphers.CANONICAL[: ciphers.CANONICAL.index("AES256-SHA") + 1]
    if cipher != "DHE-RSA-AES128-SHA"
)


class Unusable(errors.Permanent):
    """The listener has no certificate that HAProxy could use; the message says why."""


@dataclass(frozen=True, slots=True)
class Usable:
    """A certificate to serve; ``remark`` when it is not what its owner should expect.

    ``elliptic`` says that its key is on an elliptic curve, None that nobody knows.
    """

    certificate: model.Certificate
    remark: str | None = None
    elliptic: bool | None = None


Lookup: TypeAlias = Callable[[str, int], Usable]
"""The certificate for the listener with this ARN on this port; raises :class:`Unusable`."""


@dataclass(frozen=True, slots=True)
class Front:
    """The TLS side of one listener, and what its owner should know about it."""

    tls: model.Tls
    certificate: model.Certificate
    remarks: tuple[str, ...] = ()


def front(listener: document.Listener, policies: Iterable[document.Policy], lookup: Lookup) -> Front:
    """The TLS side of ``listener``, which has ``policies``; raises :class:`Unusable`."""
    if not listener.certificate_arn:
        raise Unusable("the listener has no certificate")
    usable = lookup(listener.certificate_arn, listener.port)
    chosen = [policy for policy in policies if policy.type_name == NEGOTIATION]
    tls, remark = negotiated(chosen[-1] if chosen else None)
    remarks = (usable.remark, remark, _misfit(tls, usable.elliptic))
    return Front(tls, usable.certificate, tuple(text for text in remarks if text))


def nothing(arn: str, port: int) -> Usable:
    """The lookup of those who have no certificates."""
    raise Unusable(f"certificate {arn} of listener {port} cannot be had here")


def negotiated(policy: document.Policy | None, known: Container[str] | None = None) -> tuple[model.Tls, str | None]:
    """Versions and ciphers of ``policy`` as far as OpenSSL has them; ``known`` are the ciphers it has.

    HAProxy offers versions without a gap; those before one are left out (and that is remarked upon).
    """
    known = ciphers.known() if known is None else known
    if policy is None:
        return _default(known), None
    enabled = {name for name, value in policy.attributes if value.strip().lower() == "true"}
    versions, skipped = _without_gap([version for name, version in _PROTOCOLS.items() if name in enabled])
    suites = [cipher for cipher in ciphers.CANONICAL if cipher in enabled and cipher in known]
    offered = _offer(versions, suites, _SERVER_ORDER in enabled, known)
    if offered is None:
        remark = f"policy {policy.name!r} leaves no protocol with a cipher that can be offered"
        return _default(known), f"{remark}; {DEFAULT} is in force instead"
    if skipped:
        return offered, f"policy {policy.name!r} has a gap between its protocols; offered from {offered.oldest} on"
    return offered, None


def _misfit(tls: model.Tls, elliptic: bool | None) -> str | None:
    """The listener is served, yet every handshake would fail."""
    if elliptic is None or tls.newest is _V.V1_3 or any(ciphers.fits(one, elliptic=elliptic) for one in tls.ciphers):
        return None
    return f"none of the ciphers can be used with the certificate's {'elliptic-curve' if elliptic else 'RSA'} key"


def _offer(
    versions: list[model.TlsVersion], suites: list[str], server_order: bool, known: Container[str]
) -> model.Tls | None:
    """What can be negotiated at all: a suite of TLS 1.2 is of no use before it, TLS 1.3 has suites of its own."""
    if versions and versions[-1] < _V.V1_2:
        suites = [cipher for cipher in suites if ciphers.is_before_tls_1_2(cipher)]
    if not suites and _V.V1_3 in versions:
        return model.Tls(_V.V1_3, _V.V1_3, _default(known).ciphers, server_order)
    if not suites or not versions:
        return None
    legacy = versions[0] < _V.V1_2 or all(ciphers.is_before_tls_1_2(cipher) for cipher in suites)
    return model.Tls(versions[0], versions[-1], tuple(suites), server_order, legacy)


def _without_gap(versions: list[model.TlsVersion]) -> tuple[list[model.TlsVersion], bool]:
    """The newest unbroken run of ``versions``, and whether there are others."""
    order = list(model.TlsVersion)
    run: list[model.TlsVersion] = []
    for version in reversed(versions):
        if run and order.index(run[0]) - order.index(version) > 1:
            return run, True
        run.insert(0, version)
    return run, False


def _default(known: Container[str]) -> model.Tls:
    suites = tuple(cipher for cipher in ciphers.CANONICAL if cipher in _DEFAULT_CIPHERS and cipher in known)
    return model.Tls(_V.V1_0, _V.V1_2, suites, legacy=True)
