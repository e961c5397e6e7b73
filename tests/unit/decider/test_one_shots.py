"""The other one-shot workflows: order of steps and compensation."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.decider.fakes import KEY, Fakes, Refused, fail, name_of

from elbflow import flow
from elbflow.contract import activities, document, workflows
from elbflow.contract.workflows import Outcome, OutcomeState
from elbflow_decider.workflows import (
    CreateLoadBalancerListeners,
    DeleteLoadBalancer,
    DeleteLoadBalancerListeners,
    DisableAvailabilityZone,
    EnableAvailabilityZone,
    ModifyLoadBalancerAttributes,
    SetLoadBalancerListenerSSLCertificate,
)

SUCCESS = Outcome(OutcomeState.SUCCESS)
LISTENERS = workflows.ListenersInput(KEY, (80, 443))
CERTIFICATE = workflows.CertificateInput(KEY, 443, "arn:new", "arn:old")
ZONES = workflows.ZonesInput(KEY, ("b",))


# --- DeleteLoadBalancer ------------------------------------------------------------------------------------------


def test_deletion_removes_the_row_last(fakes: Fakes) -> None:
    assert fakes.run(DeleteLoadBalancer, workflows.LoadBalancerInput(KEY)).result() == SUCCESS

    assert fakes.log[:2] == ["stop_continuous_workflows", "listener_revoke_ingress"]
    assert fakes.log[-1] == "delete_load_balancer_remove"
    order = [fakes.log.index(name) for name in ("delete_scaling_groups", "delete_instance_profile", "delete_iam_role")]
    assert order == sorted(order)
    assert fakes.log.index("delete_scaling_groups") < fakes.log.index("delete_security_group")
    assert fakes.given_to(activities.listener_revoke_ingress) == [((),)]


@pytest.mark.parametrize(
    "step",
    [
        activities.stop_continuous_workflows,
        activities.delete_deactivate_dns,
        activities.delete_scaling_groups,
        activities.delete_iam_role,
        activities.delete_security_group,
    ],
    ids=name_of,
)
def test_a_failed_deletion_keeps_the_row_and_can_be_repeated(fakes: Fakes, step: flow.Activity[..., Any]) -> None:
    fakes.on(step, fail(ConnectionError("down")))
    outcome = fakes.run(DeleteLoadBalancer, workflows.LoadBalancerInput(KEY)).result()

    assert (outcome.state, outcome.status) == (OutcomeState.FAILED, 500)
    assert fakes.times(activities.delete_load_balancer_remove) == 0

    fakes.on(step, lambda key: None)
    assert fakes.run(DeleteLoadBalancer, workflows.LoadBalancerInput(KEY)).result() == SUCCESS
    assert fakes.times(activities.delete_load_balancer_remove) == 1


# --- listeners ---------------------------------------------------------------------------------------------------


def test_creating_listeners_checks_certificates_first(fakes: Fakes) -> None:
    assert fakes.run(CreateLoadBalancerListeners, LISTENERS).result() == SUCCESS

    assert fakes.log[0] == "listener_check_certificates"
    assert set(fakes.log[1:-1]) == {
        "listener_authorize_certificates",
        "listener_authorize_ingress",
        "listener_default_health_check",
    }


def test_listeners_that_need_neither_certificates_nor_a_health_check_get_their_ports(fakes: Fakes) -> None:
    plain = workflows.ListenersInput(KEY, (80,), certificates=False, health_check=False)

    assert fakes.run(CreateLoadBalancerListeners, plain).result() == SUCCESS
    assert fakes.run(DeleteLoadBalancerListeners, plain).result() == SUCCESS

    assert fakes.log == ["listener_authorize_ingress", "listener_revoke_ingress"]


def test_listeners_whose_creation_fails_are_removed_last(fakes: Fakes) -> None:
    fakes.on(activities.listener_default_health_check, fail(Refused("no")))

    outcome = fakes.run(CreateLoadBalancerListeners, LISTENERS).result()

    assert outcome == Outcome(OutcomeState.FAILED, 400, "no")
    assert fakes.log[-1] == "listener_rollback"
    assert fakes.given_to(activities.listener_rollback) == [((80, 443),)]
    assert fakes.given_to(activities.listener_authorize_certificates_rollback) == [(("certificate-policy",),)]
    assert fakes.given_to(activities.listener_authorize_ingress_rollback) == [((80, 443),)]


def test_an_unknown_certificate_removes_the_listeners_and_nothing_else(fakes: Fakes) -> None:
    fakes.on(activities.listener_check_certificates, fail(Refused("no such certificate")))

    outcome = fakes.run(CreateLoadBalancerListeners, LISTENERS).result()

    assert outcome == Outcome(OutcomeState.FAILED, 400, "no such certificate")
    assert fakes.log == ["listener_check_certificates", "listener_rollback"]


def test_deleting_listeners_revokes_what_only_they_needed(fakes: Fakes) -> None:
    assert fakes.run(DeleteLoadBalancerListeners, LISTENERS).result() == SUCCESS

    assert sorted(fakes.log) == ["listener_revoke_certificates", "listener_revoke_ingress"]
    assert fakes.given_to(activities.listener_revoke_ingress) == [((80, 443),)]


# --- certificates ------------------------------------------------------------------------------------------------


def test_a_certificate_is_served_only_after_it_may_be_fetched(fakes: Fakes) -> None:
    assert fakes.run(SetLoadBalancerListenerSSLCertificate, CERTIFICATE).result() == SUCCESS

    assert fakes.log == [
        "listener_check_certificates",
        "listener_authorize_certificates",
        "listener_certificate_commit",
        "listener_revoke_certificates",
    ]
    assert fakes.given_to(activities.listener_authorize_certificates) == [((443,),)]


def test_a_renamed_certificate_stays_permitted_whatever_fails(fakes: Fakes) -> None:
    """There is no former certificate to go back to."""
    fakes.on(activities.listener_certificate_commit, fail(Refused("no")))
    renamed = workflows.CertificateInput(KEY, 443, "arn:new", "arn:new")

    assert fakes.run(SetLoadBalancerListenerSSLCertificate, renamed).result().state is OutcomeState.FAILED
    assert fakes.times(activities.listener_authorize_certificates) == 1
    assert fakes.times(activities.listener_authorize_certificates_rollback) == 0


def test_listeners_with_certificates_are_pushed_when_vms_may_fetch_those(fakes: Fakes) -> None:
    assert fakes.run(CreateLoadBalancerListeners, LISTENERS).result() == SUCCESS
    assert fakes.log[-1] == "listener_certificate_commit"
    assert "listener_authorize_certificates" in fakes.log


def test_listeners_that_cannot_be_pushed_are_removed(fakes: Fakes) -> None:
    fakes.on(activities.listener_certificate_commit, fail(Refused("no")))
    outcome = fakes.run(CreateLoadBalancerListeners, LISTENERS).result()
    assert outcome == Outcome(OutcomeState.FAILED, 400, "no")
    assert fakes.log[-1] == "listener_rollback"
    assert fakes.times(activities.listener_authorize_certificates_rollback) == 1


def test_listeners_without_certificates_are_not_pushed_again(fakes: Fakes) -> None:
    plain = workflows.ListenersInput(KEY, (80,), certificates=False)
    assert fakes.run(CreateLoadBalancerListeners, plain).result() == SUCCESS
    assert fakes.times(activities.listener_certificate_commit) == 0


def test_a_certificate_that_cannot_be_served_is_taken_back(fakes: Fakes) -> None:
    fakes.on(activities.listener_certificate_commit, fail(Refused("no")))

    outcome = fakes.run(SetLoadBalancerListenerSSLCertificate, CERTIFICATE).result()

    assert outcome == Outcome(OutcomeState.FAILED, 400, "no")
    assert fakes.log[-2:] == ["listener_authorize_certificates_rollback", "listener_certificate_rollback"]
    assert fakes.given_to(activities.listener_certificate_rollback) == [(443, "arn:new", "arn:old")]


def test_a_permission_that_stays_does_not_undo_the_new_certificate(fakes: Fakes) -> None:
    fakes.on(activities.listener_revoke_certificates, fail(Refused("busy")))

    assert fakes.run(SetLoadBalancerListenerSSLCertificate, CERTIFICATE).result() == SUCCESS
    assert fakes.times(activities.listener_certificate_rollback) == 0


# --- zones -------------------------------------------------------------------------------------------------------


def test_enabling_a_zone_counts_it_after_its_vms_exist(fakes: Fakes) -> None:
    assert fakes.run(EnableAvailabilityZone, ZONES).result() == SUCCESS

    assert fakes.log[-3:] == ["scaling_group_setup", "enable_zones_persist", "enable_zones_reset_backends"]
    assert fakes.given_to(activities.scaling_group_setup) == [("profile-of-role", "group", ("b",))]


def test_a_zone_that_cannot_be_enabled_loses_its_vms_but_not_the_role(fakes: Fakes) -> None:
    fakes.on(activities.enable_zones_reset_backends, fail(Refused("no")))

    outcome = fakes.run(EnableAvailabilityZone, ZONES).result()

    assert outcome.state is OutcomeState.FAILED
    assert fakes.log[-2:] == ["enable_zones_persist_rollback", "scaling_group_setup_rollback"]
    assert fakes.times(activities.delete_iam_role) == 0


def test_a_scaling_group_that_failed_halfway_is_undone(fakes: Fakes) -> None:
    fakes.on(activities.scaling_group_setup, fail(Refused("no room")))

    assert fakes.run(EnableAvailabilityZone, ZONES).result().reason == "no room"
    assert fakes.given_to(activities.scaling_group_setup_rollback) == [(activities.ScalingGroups(("b",)),)]


def test_disabling_a_zone(fakes: Fakes) -> None:
    assert fakes.run(DisableAvailabilityZone, ZONES).result() == SUCCESS

    scaled_in = fakes.log.index("disable_zones_scale_in")
    assert scaled_in < fakes.log.index("disable_zones_persist")
    assert scaled_in < fakes.log.index("disable_zones_mark_backends")
    assert fakes.times(activities.disable_zones_retire_vms) == 1


def test_a_zone_that_cannot_be_disabled_is_put_back(fakes: Fakes) -> None:
    fakes.on(activities.disable_zones_mark_backends, fail(Refused("no")))

    outcome = fakes.run(DisableAvailabilityZone, ZONES).result()

    assert outcome.state is OutcomeState.FAILED
    undone = fakes.log[fakes.log.index("disable_zones_mark_backends") + 1 :]
    assert "enable_zones_persist" in undone
    assert "disable_zones_scale_in_rollback" in undone
    assert fakes.given_to(activities.disable_zones_retire_vms_rollback) == [(("i-1",),)]


# --- attributes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "first"),
    [
        (document.Attributes(access_log_enabled=True, access_log_bucket="logs"), "access_log_policy_setup"),
        (document.Attributes(cross_zone=True), "access_log_policy_delete"),
    ],
)
def test_attributes_are_stored_after_the_permission_they_need(
    fakes: Fakes, attributes: document.Attributes, first: str
) -> None:
    request = workflows.AttributesInput(KEY, attributes)

    assert fakes.run(ModifyLoadBalancerAttributes, request).result() == SUCCESS
    assert fakes.log == [first, "persist_attributes"]
    assert fakes.given_to(activities.persist_attributes) == [(attributes,)]


def test_attributes_that_cannot_be_stored_leave_the_permission_as_it_was(fakes: Fakes) -> None:
    fakes.on(activities.persist_attributes, fail(Refused("gone")))
    attributes = document.Attributes(access_log_enabled=True, access_log_bucket="logs")

    outcome = fakes.run(ModifyLoadBalancerAttributes, workflows.AttributesInput(KEY, attributes)).result()

    assert outcome == Outcome(OutcomeState.FAILED, 400, "gone")
    assert fakes.log == ["access_log_policy_setup", "persist_attributes", "access_log_policy_rollback"]
