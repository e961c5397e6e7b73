"""Pure: intervals and the names of log objects (spec/vm-agent-data-plane 6.2, REQ-6.3)."""

from __future__ import annotations

import random
import string
import time

_ALPHABET = string.ascii_lowercase + string.digits
_RANDOM_LENGTH = 8
_MINUTE_S = 60


def interval_end(now: float, minutes: int) -> int:
    """End of the interval that ``now`` is in, both in epoch seconds. Intervals are aligned to UTC."""
    length = max(1, minutes) * _MINUTE_S
    return (int(now) // length + 1) * length


def suffix(rng: random.Random) -> str:
    """What tells objects of the same interval and VM apart."""
    return "".join(rng.choices(_ALPHABET, k=_RANDOM_LENGTH))


def object_key(*, prefix: str, account: str, region: str, name: str, end: int, address: str, suffix: str) -> str:
    """``[prefix/]AWSLogs/account/elasticloadbalancing/region/yyyy/mm/dd/…log``, dated by the end of the interval."""
    at = time.gmtime(end)
    file = f"{account}_elasticloadbalancing_{region}_{name}_{time.strftime('%Y%m%dT%H%MZ', at)}_{address}_{suffix}.log"
    parts = (prefix.strip("/"), "AWSLogs", account, "elasticloadbalancing", region, time.strftime("%Y/%m/%d", at), file)
    return "/".join(part for part in parts if part)
