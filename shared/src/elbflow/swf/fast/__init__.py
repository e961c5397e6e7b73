"""A cheaper way through aiobotocore: own signatures, own pools, orjson; same credentials, same errors."""

from __future__ import annotations

from elbflow.swf.fast.sending import Pool
from elbflow.swf.fast.setup import accelerated

__all__ = ["Pool", "accelerated"]
