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
