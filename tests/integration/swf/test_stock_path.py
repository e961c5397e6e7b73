"""With the fast path off, faults, lost answers and polls that are given up end as they do with it on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest
from tests.integration.swf.responder import Connect
from tests.integration.swf.test_faults import (
    test_already_started_tells_whether_it_may_be_this_call,
    test_an_error_page_instead_of_json_is_unavailable,
    test_null_and_empty_tokens_are_empty_polls,
    test_polls_are_never_repeated,
    test_unknown_task_after_a_lost_respond_is_success_with_a_warning,
)
from tests.integration.swf.test_parking import (
    test_a_parked_poll_ends_at_once_and_the_server_knows,
    test_a_task_that_is_on_its_way_arrives,
    test_the_pool_is_whole_after_many_released_polls,
)

from elbflow import swf

__all__ = [
    "test_a_parked_poll_ends_at_once_and_the_server_knows",
    "test_a_task_that_is_on_its_way_arrives",
    "test_already_started_tells_whether_it_may_be_this_call",
    "test_an_error_page_instead_of_json_is_unavailable",
    "test_null_and_empty_tokens_are_empty_polls",
    "test_polls_are_never_repeated",
    "test_the_pool_is_whole_after_many_released_polls",
    "test_unknown_task_after_a_lost_respond_is_success_with_a_warning",
]


@pytest.fixture
def connect(connect: Connect) -> Callable[..., AbstractAsyncContextManager[swf.Client]]:
    return partial(connect, fast_path=False)
