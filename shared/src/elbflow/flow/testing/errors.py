"""What is wrong with a test, rather than with its workflow."""

from __future__ import annotations

from elbflow import errors


class TestingError(errors.Defect):
    """The test cannot go on as it is written."""

    __test__ = False  # not a class of tests, though its name begins so


class UnexpectedActivity(TestingError):
    """A workflow asked for an activity that the test has no fake for."""


class UnexpectedWorkflow(TestingError):
    """A workflow was started that is not among the environment's workflows."""


class WaitsForever(TestingError):
    """Nothing is left that could let the workflow go on; the message says where it waits, and for what."""
