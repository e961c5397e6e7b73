"""A process's part of an account's quotas."""

from __future__ import annotations

import pytest

from elbflow import swf
from elbflow.swf.quota_settings import PUBLISHED
from elbflow_engine.wire import admission


def test_our_table_is_the_one_that_the_engine_enforces() -> None:
    theirs = {name: (rate.capacity, rate.refill_per_s) for name, rate in admission.PUBLISHED.items()}
    ours = {name: (quota.burst, quota.per_s) for name, quota in PUBLISHED.items()}
    assert ours == {name: theirs[name] for name in ours}


def test_a_quarter_of_every_quota_by_default() -> None:
    settings = swf.QuotaSettings()
    assert settings.of("StartWorkflowExecution") == swf.Quota(500.0, 50.0)
    assert settings.of("SignalWorkflowExecution") == swf.Quota(500.0, 7.5)
    assert settings.of("RecordActivityTaskHeartbeat") == swf.Quota(500.0, 40.0)
    assert settings.of("NoSuchOperation") is None


def test_single_shares_several_processes_and_raised_quotas() -> None:
    settings = swf.QuotaSettings(share=0.4, shares={"StartWorkflowExecution": 0.1}, processes=4, scale=2.0)
    assert settings.of("StartWorkflowExecution") == swf.Quota(100.0, 10.0)
    assert settings.of("RespondDecisionTaskCompleted") == swf.Quota(400.0, 40.0)


def test_pages_have_a_tenth_beside_the_polls() -> None:
    settings = swf.QuotaSettings()
    assert settings.of("PollForDecisionTask") == swf.Quota(500.0, 50.0)
    assert settings.of_short_call("PollForDecisionTask") == swf.Quota(200.0, 20.0)
    assert settings.of_short_call("PollForActivityTask") == settings.of("PollForActivityTask")


def test_eucalyptus_bears_a_tenth_of_it() -> None:
    assert swf.QuotaSettings.eucalyptus().of("StartWorkflowExecution") == swf.Quota(50.0, 5.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"share": 0.0}, "share=0.0 must be above 0"),
        ({"share": 1.01}, "share=1.01"),
        ({"shares": {"StartWorkflowExecution": -1.0}}, "StartWorkflowExecution=-1.0"),
        ({"shares": {"StartWorkflow": 0.1}}, "there is no quota of StartWorkflow;"),
        ({"processes": 0}, "processes=0"),
        ({"scale": 0.0}, "scale=0.0"),
    ],
)
def test_parts_that_cannot_be_are_refused(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        swf.QuotaSettings(**wrong)
