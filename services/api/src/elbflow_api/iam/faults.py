"""IAM's faults in AWS's words."""

from __future__ import annotations

from elbflow_api import query


def no_such_certificate(name: str) -> query.Fault:
    return query.modelled(
        "NoSuchEntityException", f"The Server Certificate with name {name} cannot be found.", query.IAM
    )


def certificate_exists(name: str) -> query.Fault:
    return query.modelled(
        "EntityAlreadyExistsException", f"The Server Certificate with name {name} already exists.", query.IAM
    )


def certificate_in_use(certificate_id: str, user: str) -> query.Fault:
    return query.modelled(
        "DeleteConflictException", f"Certificate: {certificate_id} is currently in use by {user}.", query.IAM
    )


def too_many_certificates(limit: int) -> query.Fault:
    return query.modelled(
        "LimitExceededException", f"Cannot exceed quota for ServerCertificatesPerAccount: {limit}", query.IAM
    )


def invalid_input(message: str) -> query.Fault:
    return query.modelled("InvalidInputException", message, query.IAM)


def concurrent_modification(name: str) -> query.Fault:
    return query.modelled(
        "ConcurrentModificationException",
        f"The Server Certificate {name} is being changed by another request. Repeat the request.",
        query.IAM,
    )


def not_authorized(message: str) -> query.Fault:
    """What the exchange with VMs answers to almost everything (spec/vm-agent-data-plane 7.5)."""
    return query.Fault("NotAuthorized", message, status=403)


def no_such_download(arn: str) -> query.Fault:
    return query.Fault("NoSuchEntity", f"The Server Certificate {arn} cannot be found.", status=400)


def not_verified() -> query.Fault:
    return query.Fault("InternalFailure", "The signature could not be verified", status=500)


def not_answered() -> query.Fault:
    return query.Fault("InternalFailure", "The certificate could not be prepared", status=500)
