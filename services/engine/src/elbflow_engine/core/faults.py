"""Faults of the service, by wire code (spec/swf-semantics 1.3), with the message texts clients match on."""

from __future__ import annotations


class Fault(Exception):
    """The operation is refused and nothing was changed. ``code`` is the bare wire code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def validation(message: str) -> Fault:
    return Fault("ValidationException", message)


def invalid_token() -> Fault:
    return validation("Invalid token")


def expired_token() -> Fault:
    return validation("Specified token has exceeded its maximum lifetime")


def throttled() -> Fault:
    return Fault("ThrottlingException", "Rate exceeded")


def unknown_domain(name: str) -> Fault:
    return Fault("UnknownResourceFault", f"Unknown domain: {name}")


def unknown_type(label: str, name: str, version: str) -> Fault:
    return Fault("UnknownResourceFault", f"Unknown type: {type_text(label, name, version)}")


def unknown_execution(workflow_id: str, run_id: str | None) -> Fault:
    if run_id is None:
        return Fault("UnknownResourceFault", f"Unknown execution, workflowId = {workflow_id}")
    text = f"WorkflowExecution=[workflowId={workflow_id}, runId={run_id}]"
    return Fault("UnknownResourceFault", f"Unknown execution: {text}")


def forgotten_execution() -> Fault:
    """The execution a token stands for is gone, its name with it."""
    return Fault("UnknownResourceFault", "Unknown execution")


def unknown_task(kind: str, scheduled_id: int) -> Fault:
    what = "decision task" if kind == "decision" else "activity"
    return Fault("UnknownResourceFault", f"Unknown {what}, scheduledEventId = {scheduled_id}")


def type_text(label: str, name: str, version: str) -> str:
    """How a type is named in messages; ``label`` is ``WorkflowType`` or ``ActivityType``."""
    return f"{label}=[name={name}, version={version}]"
