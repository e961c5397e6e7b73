"""ApplySecurityGroups: the VMs first, the store afterwards, and back when that fails."""

from __future__ import annotations

from tests.unit.decider.fakes import KEY, Fakes, Refused, fail

from elbflow.contract import activities, document, workflows
from elbflow.contract.workflows import Outcome, OutcomeState
from elbflow_decider.workflows import ApplySecurityGroups

GROUPS = (document.SecurityGroup("sg-1", "web"), document.SecurityGroup("sg-2", "db"))
REQUEST = workflows.SecurityGroupsInput(KEY, GROUPS)


def test_the_vms_get_the_groups_before_they_are_stored(fakes: Fakes) -> None:
    assert fakes.run(ApplySecurityGroups, REQUEST).result() == Outcome(OutcomeState.SUCCESS)
    assert fakes.log == ["apply_security_groups", "persist_security_groups"]
    assert fakes.given_to(activities.persist_security_groups) == [(GROUPS,)]


def test_a_failure_gives_the_vms_the_stored_groups_again(fakes: Fakes) -> None:
    fakes.on(activities.persist_security_groups, fail(Refused("no such group")))
    outcome = fakes.run(ApplySecurityGroups, REQUEST).result()
    assert outcome == Outcome(OutcomeState.FAILED, 400, "no such group")
    assert fakes.log[-1] == "apply_security_groups_rollback"
