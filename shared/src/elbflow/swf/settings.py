"""Settings of one SWF client."""

from __future__ import annotations

from dataclasses import dataclass

from elbflow.swf.quota_settings import QuotaSettings

POLL_POOL_SPARE = 4


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Where SWF is and how many connections to use. Durations are seconds.

    ``poll_connections`` is the number of polls that may park at once: the poll pool has a few more, so that a
    poll never queues behind a connection that is being closed. Short calls have their own ``data_connections``.
    ``endpoint_urls`` are several endpoints of the same SWF, in the order of preference, those of this machine first;
    each has pools of this size. Give them or ``endpoint_url``, not both; AWS's own endpoint when neither is given.
    ``fast_path`` off sends everything through aiobotocore's own machinery, at several times the CPU.
    ``quotas`` is the part of the account's request quotas that short calls keep to; without it they are not limited.
    Credentials come from the normal AWS chain: environment, shared credentials file, ``profile``, container, host.
    """

    region: str = "us-east-1"
    endpoint_url: str | None = None
    endpoint_urls: tuple[str, ...] = ()
    poll_connections: int = 100
    data_connections: int = 32
    profile: str | None = None
    connect_timeout_s: float = 5.0
    poll_read_timeout_s: float = 70.0
    data_read_timeout_s: float = 10.0
    page_concurrency: int = 8
    fast_path: bool = True
    quotas: QuotaSettings | None = None

    def __post_init__(self) -> None:
        if self.poll_connections < 1 or self.data_connections < 1:
            raise ValueError("poll_connections and data_connections must be at least 1")
        if self.endpoint_url is not None and self.endpoint_urls:
            raise ValueError("give endpoint_url or endpoint_urls, not both")
