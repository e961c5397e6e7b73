"""Resource limits of the engine (spec/swf-semantics 11.1); the defaults are the published ones of Amazon SWF."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits, configurable. Counts unless the name says otherwise.

    ``throttle_scale`` multiplies the rate buckets of decisions (spec/swf-semantics 11.2); 0 switches them off.
    """

    domains: int = 100
    types: int = 10_000
    open_executions: int = 100_000
    history_events: int = 25_000
    open_activities: int = 1_000
    open_timers: int = 1_000
    open_children: int = 1_000
    resource_tags: int = 50
    parked_polls_per_list: int = 1_000
    parked_polls_per_domain: int = 4_000
    parked_polls_per_account: int = 5_000
    parked_polls: int = 10_000
    pending_count_cap: int = 100_000
    closed_count_cap: int = 100_000
    history_page_bytes: int = 4 * 1024 * 1024
    page_token_lifetime_s: int = 24 * 3600
    purge_batch: int = 500
    throttle_scale: float = 0.0
