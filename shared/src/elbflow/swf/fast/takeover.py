"""Takes signing, sending and parsing over from an aiobotocore client, through its ``before-call`` event.

botocore's Stubber answers calls the same way: a handler of that event that returns ``(http, parsed)`` ends the client's
own work. Validation, serialization, credentials and modelled exceptions stay the client's (spec/perf-baselines 1).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore import model as shapes

from elbflow.swf.fast import answers
from elbflow.swf.fast.sending import Sender
from elbflow.swf.fast.signing import signed

SERVICE = "swf"


def take_over(client: Any, sender: Sender, *, now: Callable[[], float] = time.time) -> None:
    """From now on ``client``'s calls go through ``sender``. ``now`` is the time that signatures carry."""
    region: str = client.meta.region_name

    async def before_call(
        model: shapes.OperationModel, params: dict[str, Any], request_signer: Any, **_: Any
    ) -> tuple[answers.Reply, answers.Parsed]:
        # Resolves refreshable credentials just as the client's own signer would, and fails like it.
        auth = await request_signer.get_auth(SERVICE, region)
        headers = signed(
            params["method"],
            params["url"],
            params["headers"],
            params["body"],
            credentials=auth.credentials,
            region=region,
            service=SERVICE,
            at_s=now(),
        )
        reply = await sender.send(params["method"], params["url"], headers, params["body"])
        return reply, answers.parsed(reply, model)

    client.meta.events.register_last(f"before-call.{SERVICE}", before_call)
