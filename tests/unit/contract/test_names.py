"""Names that tools and operators rely on."""

from __future__ import annotations

from typing import Any

from elbflow import flow
from elbflow.contract import activities, document, names, vm_activities, workflows

KEY = document.LoadBalancerKey("123456789012", "Web-1")


def test_names_of_one_load_balancer() -> None:
    assert names.update_workflow_id(KEY) == "update-loadbalancer-123456789012-Web-1"
    assert names.instance_status_workflow_id(KEY) == "instance-status-123456789012-Web-1"
    assert names.cloudwatch_workflow_id(KEY) == "cloudwatch-put-metric-123456789012-Web-1"
    assert names.continuous_workflow_ids(KEY) == (
        names.update_workflow_id(KEY),
        names.instance_status_workflow_id(KEY),
        names.cloudwatch_workflow_id(KEY),
    )
    assert names.workflow_tags(KEY) == ("account:123456789012", "loadbalancer:Web-1")
    assert names.role_name(KEY) == "loadbalancer-vm-123456789012-Web-1"
    assert names.security_group_name(KEY) == "euca-internal-123456789012-Web-1"


def test_one_shots_name_one_life_of_a_load_balancer() -> None:
    assert names.create_workflow_id(KEY, 1_700_000_000.125) == "create-loadbalancer-123456789012-Web-1-1700000000125"
    assert names.delete_workflow_id(KEY, 1_700_000_000.125) == "delete-loadbalancer-123456789012-Web-1-1700000000125"
    assert names.create_workflow_id(KEY, 1_700_000_000.126) != names.create_workflow_id(KEY, 1_700_000_000.125)


def test_scaling_group_names_fit_their_limit() -> None:
    assert names.scaling_group_name(KEY, "local-1a") == "euca-internal-elb-123456789012-Web-1-local-1a"
    assert len(names.scaling_group_name(KEY, "z" * 300)) == 255


def test_types_are_told_apart_by_name() -> None:
    all_activities: list[flow.Activity[..., Any]] = [
        *activities.ALL,
        vm_activities.set_load_balancer,
        vm_activities.get_instance_status,
        vm_activities.get_cloudwatch_metrics,
    ]
    assert len({one.name for one in all_activities}) == len(all_activities) > 30
    signatures = [value for value in vars(workflows).values() if isinstance(value, flow.WorkflowSignature)]
    assert len({one.name for one in signatures}) == len(signatures) == 13


def test_a_service_activity_with_all_its_retries_fits_into_a_one_shot() -> None:
    one = activities.admission_control.options
    assert one.schedule_to_close is not None
    assert one.start_to_close is not None
    assert one.start_to_close < one.schedule_to_close < workflows.ONE_SHOT_TIMEOUT
