"""A cheaper way than through aiobotocore's layers: same credentials, requests, answers and errors."""

from __future__ import annotations

from elbflow.swf.fast.sending import Pool
from elbflow.swf.fast.setup import Way, accelerated

__all__ = ["Pool", "Way", "accelerated"]
