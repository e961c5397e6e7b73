"""The service's own faults, in AWS's codes and, where AWS publishes any, AWS's words (spec/elb-control-plane 1.4)."""

from __future__ import annotations

from elbflow.contract import document, workflows
from elbflow_api import query

UNAVAILABLE = "ServiceUnavailable"


def load_balancer_not_found(name: str) -> query.Fault:
    return query.modelled("AccessPointNotFoundException", f"There is no ACTIVE Load Balancer named '{name}'")


def duplicate_load_balancer(name: str) -> query.Fault:
    return query.modelled(
        "DuplicateAccessPointNameException",
        f"Load Balancer named '{name}' already exists and it is configured with different parameters.",
    )


def duplicate_listener(name: str, port: int) -> query.Fault:
    return query.modelled(
        "DuplicateListenerException",
        f"A listener already exists for {name} with LoadBalancerPort {port}, "
        "but with a different InstancePort, Protocol, or SSLCertificateId",
    )


def listener_not_found(name: str, port: int) -> query.Fault:
    return query.modelled("ListenerNotFoundException", f"There is no listener on port {port} of Load Balancer '{name}'")


def unsupported_protocol(given: str) -> query.Fault:
    known = ", ".join(document.Protocol)
    return query.modelled("UnsupportedProtocolException", f"Protocol '{given}' is not one of {known}")


def certificate_not_found(arn: str) -> query.Fault:
    return query.modelled("CertificateNotFoundException", f"Server Certificate not found for the key: {arn}")


def policy_not_found(name: str, policy: str) -> query.Fault:
    return query.modelled("PolicyNotFoundException", f"There is no policy with name {policy} for load balancer {name}")


def predefined_policy_not_found(policy: str) -> query.Fault:
    return query.modelled("PolicyNotFoundException", f"There is no policy with name {policy}")


def policy_type_not_found(type_name: str) -> query.Fault:
    return query.modelled("PolicyTypeNotFoundException", f"There is no policy type with name {type_name}")


def duplicate_policy(policy: str) -> query.Fault:
    return query.modelled("DuplicatePolicyNameException", f"Policy name {policy} already exists")


def instance_not_found(instance_id: str) -> query.Fault:
    return query.modelled("InvalidEndPointException", f"Could not find EC2 instance {instance_id}.")


def invalid_instance(message: str) -> query.Fault:
    return query.modelled("InvalidEndPointException", message)


def invalid_configuration(message: str) -> query.Fault:
    """The change makes no sense for this load balancer as it stands."""
    return query.modelled("InvalidConfigurationRequestException", message)


def access_denied(message: str) -> query.Fault:
    """The caller's policies do not allow it."""
    return query.Fault("AccessDenied", message, status=403)


def too_many_temporary_keys(most: int) -> query.Fault:
    """AWS keeps none and has no such limit: SDKs do not repeat this."""
    return query.Fault(
        "LimitExceeded",
        f"Cannot exceed quota for temporary keys per account: {most}. Use those that you have, or wait until some end",
        status=409,
    )


def unavailable(message: str) -> query.Fault:
    """Nothing is wrong with the request; SDKs repeat it."""
    return query.Fault(UNAVAILABLE, message, status=503, sender=False)


def internal_failure(message: str, *, status: int = 500) -> query.Fault:
    return query.Fault("InternalFailure", message, status=status, sender=False)


def workflow_failed(outcome: workflows.Outcome) -> query.Fault:
    """What a workflow that gave up means for the call that waited: the original's code, and the workflow's status."""
    return internal_failure(outcome.reason or outcome.state.value, status=400 if outcome.status == 400 else 500)
