"""``elbflow up``: the stack in the foreground."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elbflow_standalone import commands, layout, stack, stack_file


def add_to(subparsers: commands.Subparsers) -> None:
    parser = subparsers.add_parser("up", help="run the whole stack in the foreground until Ctrl-C")
    commands.add_data_dir(parser)
    parser.add_argument(
        "--base-port",
        type=int,
        default=layout.DEFAULT_BASE_PORT,
        metavar="N",
        help=f"first of {layout.PORTS_USED} ports; N is the ELB endpoint, N+1 SWF, N+2 IAM, N+3 STS "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--ready-file", type=Path, metavar="FILE", help="written (mode 0600, JSON) when ready: endpoints, key, pids"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Return 0 after an orderly stop, 1 when supervisord ended by itself."""
    where = layout.Layout(arguments.data_dir.resolve(), arguments.base_port)
    with _stop_requested() as stop, stack.running(where, lambda name: _say(f"  {name} is ready")) as (keys, process):
        if arguments.ready_file:
            stack_file.write(arguments.ready_file, stack_file.describe(where, keys))
        _say(f"elbflow is ready: ELB at {where.elb_url}, SWF at {where.swf_url}")
        _say(f"For users and certificates: IAM at {where.iam_url}, STS at {where.sts_url}")
        _say(f"Logs are in {where.log_dir}")
        _say(f"Console (executions, timelines, task lists): {where.console_url}")
        _say(f'In another shell: eval "$({sys.argv[0]} env --data-dir {where.data_dir})"')
        try:
            return _wait(process, stop)
        finally:
            if arguments.ready_file:
                arguments.ready_file.unlink(missing_ok=True)
            _say("stopping …")


def _wait(process: subprocess.Popen[bytes], stop: threading.Event) -> int:
    while not stop.wait(0.5):
        if process.poll() is not None:
            _say(f"supervisord ended with status {process.returncode}")
            return 1
    return 0


@contextmanager
def _stop_requested() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; the former handlers come back afterwards."""
    stop = threading.Event()
    former = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _say(line: str) -> None:
    print(line, flush=True)
