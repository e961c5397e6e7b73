"""``/debug/vms``."""

from __future__ import annotations

import json

import pytest

from elbflow.contract import document
from elbflow_agent import vms_page
from elbflow_agent.servo import ServoStatistics

PROBLEMS = (document.ListenerProblem(443, "no <certificate>"),)


async def test_a_page_of_vms() -> None:
    servo = ServoStatistics(3, "ab", PROBLEMS, 17, 2, 1, reloads=4, certificates_end={443: 1.5})
    page = vms_page.page_of(lambda: [{"instance_id": "i-1", "servo": servo}])
    (told,) = json.loads(await page({}, "json"))
    assert told["servo"]["generation"] == 3
    assert told["servo"]["reloads"] == 4
    assert told["servo"]["certificates_end"] == {"443": 1.5}
    assert "&lt;certificate&gt;" in await page({}, "html")
    with pytest.raises(ValueError, match="limit is not known here"):
        await page({"limit": "1"}, "json")
