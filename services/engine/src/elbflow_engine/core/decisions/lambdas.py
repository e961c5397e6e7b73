"""ScheduleLambdaFunction: there is no Lambda service here, and the decider is told so (spec/swf-semantics 7.13)."""

from __future__ import annotations

from elbflow_engine.core import api, members
from elbflow_engine.core.decisions.batch import Batch


def schedule(batch: Batch, attributes: api.Object) -> None:
    named: dict[str, object] = {
        "id": members.text(attributes, "id"),
        "name": members.text(attributes, "name"),
    }
    batch.fail("ScheduleLambdaFunctionFailed", "LAMBDA_SERVICE_NOT_AVAILABLE_IN_REGION", named)
