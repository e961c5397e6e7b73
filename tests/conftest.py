"""What all tests share: hypothesis profiles, a guard that fails a test whose code blocks the event loop, HAProxy."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from blockbuster import BlockBuster

PACKAGES = (
    "elbflow",
    "elbflow_activities",
    "elbflow_agent",
    "elbflow_api",
    "elbflow_decider",
    "elbflow_engine",
    "elbflow_standalone",
)

hypothesis.settings.register_profile("default", max_examples=50, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") == "true" else "default")
)


HAPROXY = "ELBFLOW_AGENT_HAPROXY"
"""Variable with another HAProxy than that of PATH, for all tests but those of the VM's image."""


def pytest_configure(config: pytest.Config) -> None:
    """Let ``haproxy`` be the one that the variable names, also for programs that tests start."""
    chosen = os.environ.get(HAPROXY)
    if not chosen:
        return
    found = shutil.which(chosen)
    if found is None:
        raise pytest.UsageError(f"{HAPROXY}={chosen} is no executable")
    directory = tempfile.mkdtemp(prefix="elbflow-haproxy-")
    config.add_cleanup(lambda: shutil.rmtree(directory))
    (Path(directory) / "haproxy").symlink_to(Path(found).absolute())
    os.environ["PATH"] = os.pathsep.join([directory, os.environ.get("PATH", os.defpath)])


@pytest.fixture(scope="session")
def _loop_guard() -> BlockBuster:
    guard = BlockBuster([name for name in PACKAGES if importlib.util.find_spec(name) is not None])
    for function in guard.functions.values():
        # Files of /proc are memory; imports happen once.
        function.can_block_in("prometheus_client/process_collector.py", {"collect"})
        function.can_block_in("<frozen importlib._bootstrap>", {"_find_and_load"})
        # It runs in a thread, in a loop of its own.
        function.can_block_in("elbflow/swf/credentials.py", {"ask_chain"})
        # Stands still for a millisecond at most, so that a busy loop does not starve the journal.
        function.can_block_in("elbflow_engine/journal/threads.py", {"_stand_still"})
        # A journal in memory waits for nothing.
        function.can_block_in("elbflow_engine/journal/threads.py", {"start_here"})
        function.can_block_in("elbflow_agent/files.py", {"_stand_still"})
        # Asks for the working directory, once per engine; migrations are set-up, before anything is served.
        function.can_block_in("sqlalchemy/dialects/sqlite/pysqlite.py", {"create_connect_args"})
        function.can_block_in("elbflow/store/schema.py", {"migrate", "_upgrade"})
        # Looks for a password file and the like, once per connection.
        function.can_block_in("asyncpg/connect_utils.py", {"_parse_connect_arguments", "_parse_connect_dsn_and_args"})
    return guard


@pytest.fixture(autouse=True)
def blockbuster(_loop_guard: BlockBuster, request: pytest.FixtureRequest) -> Iterator[BlockBuster]:
    """Fail a test when a call from our packages blocks a running loop; code of tests and libraries may.

    A test of code that blocks on purpose asks for ``may_block``.
    """
    if "may_block" in request.fixturenames:
        yield _loop_guard
        return
    _loop_guard.activate()
    try:
        yield _loop_guard
    finally:
        _loop_guard.deactivate()


@pytest.fixture
def may_block() -> None:
    """Ask for it to let a test's loop be blocked."""
