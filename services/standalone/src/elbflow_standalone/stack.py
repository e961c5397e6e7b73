"""Start and stop the one-machine stack."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator

from elbflow import errors, service, store
from elbflow_standalone import credentials, layout, programs, stack_file, supervision

START_DEADLINE_S = 60.0


class CannotStart(errors.Permanent):
    """The stack cannot be started here."""


def prepare(where: layout.Layout) -> credentials.Credentials:
    """Everything that must exist before the first program starts: directories, keys, the store's schema."""
    _require_programs()
    where.make_directories()
    _require_alone(where)
    _require_free_ports(where)
    keys = credentials.load_or_create(where)
    asyncio.run(_prepare_store(where, keys))
    return keys


@contextlib.contextmanager
def running(
    where: layout.Layout, on_progress: Callable[[str], None] = lambda _: None
) -> Iterator[tuple[credentials.Credentials, subprocess.Popen[bytes]]]:
    """A running, ready stack; leaving the block stops all of it, whatever happened inside."""
    keys = prepare(where)
    process = supervision.start(where)
    try:
        supervision.wait_ready(where, START_DEADLINE_S, on_progress, lambda: process.poll() is None)
        stack_file.write(where.stack_file, stack_file.describe(where, keys))
        yield keys, process
    finally:
        supervision.stop(where, process)


async def _prepare_store(where: layout.Layout, keys: credentials.Credentials) -> None:
    await store.migrate(where.store_url)
    async with store.Store(where.store_url) as db, db.transaction() as tx:
        # The services act for the system account, which owns the roles of load balancers' VMs.
        for key, account in ((keys.administrator, keys.account), (keys.system, service.SYSTEM_ACCOUNT)):
            await tx.access_keys.save(store.AccessKey(key.access_key_id, key.secret_access_key, account, admin=True))


def _require_programs() -> None:
    missing = [name for name in ("haproxy", "redis-server") if shutil.which(name, path=programs.search_path()) is None]
    if missing:
        raise CannotStart(f"{' and '.join(missing)} not found; install with: apt-get install haproxy redis-server")


def _require_alone(where: layout.Layout) -> None:
    """Two stacks in one directory would share sockets, and the end of one would stop the other's load balancers."""
    try:
        running_now = supervision.pids(where)
    except supervision.StackNotRunning:
        return
    raise CannotStart(f"a stack runs in {where.data_dir} already (pids {sorted(running_now.values())}); stop it first")


def ports_in_use(where: layout.Layout) -> list[int]:
    """Ports this stack needs that somebody listens on now."""
    endpoints = [where.elb_port, where.swf_port, where.iam_port, where.sts_port]
    needed = [*endpoints, *(where.admin_port(service) for service in layout.SERVICES)]
    return [port for port in needed if not _can_bind(port)]


def _require_free_ports(where: layout.Layout) -> None:
    used = ports_in_use(where)
    if used:
        last = where.base_port + layout.PORTS_USED - 1
        raise CannotStart(f"ports {used} are in use; choose another --base-port (it needs {where.base_port} to {last})")


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((layout.HOST, port))
        except OSError:
            return False
    return True
