"""What an event loop can do and a workflow's must not, and what to do instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from elbflow.flow import errors

if TYPE_CHECKING:
    from elbflow.flow.core.loop import Loop

_BY_FIX = {
    "put the work into an activity": "run_in_executor set_default_executor shutdown_default_executor",
    "workflows have no threads; use call_soon": "call_soon_threadsafe",
    "talk to the network in an activity": (
        "create_connection create_server create_datagram_endpoint create_unix_connection create_unix_server "
        "connect_accepted_socket start_tls sock_accept sock_connect sock_recv sock_recv_into sock_recvfrom "
        "sock_recvfrom_into sock_sendall sock_sendto getaddrinfo getnameinfo"
    ),
    "read files and pipes in an activity": (
        "sendfile sock_sendfile add_reader remove_reader add_writer remove_writer connect_read_pipe connect_write_pipe"
    ),
    "run programs in an activity": "subprocess_exec subprocess_shell",
    "cancel or signal the workflow through SWF": "add_signal_handler remove_signal_handler",
    "the runtime runs the workflow; await instead": "run_forever run_until_complete",
    "return from run() to end the workflow": "stop close shutdown_asyncgens",
    "catch errors where they are awaited": "set_exception_handler",
    "the runtime makes the tasks": "set_task_factory",
    "debug a downloaded history with flow.replay": "set_debug",
}

FIXES = tuple((name, fix) for fix, names in _BY_FIX.items() for name in names.split())
"""Method names of the event loop, each with the advice for workflow authors."""


def refuse(name: str, fix: str) -> Callable[..., NoReturn]:
    """A method that refuses the call and says what to do instead."""

    def refused(loop: Loop, *_args: object, **_kwargs: object) -> NoReturn:
        error = errors.NonDeterministicCall(f"loop.{name}() is not reproducible inside a workflow: {fix}")
        loop.instance.withhold(error)  # even if the workflow catches it
        raise error

    return refused
