"""``elbflow support-bundle``: one file for people who look into a problem, without secrets."""

from __future__ import annotations

import argparse
import itertools
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from elbflow import errors
from elbflow_standalone import commands, stack_file
from elbflow_standalone.support import bundle, masks, pieces, secrets_here, stack, vm

_HELP = "put what is needed to look into a problem into one file, without secrets"
_EPILOG = """\
Examples:
  elbflow support-bundle                              of the stack in ./data, whether it runs or not
  elbflow support-bundle --run-dir /var/lib/elbflow --log-dir /var/log/load-balancer-servo \\
      --admin http://127.0.0.1:8781 --admin http://127.0.0.1:8782
                                                      on a load balancer's VM: of its agent alone
Keys, tokens, credentials, cookies and access logs are never in it; what could hold one is masked. Nothing is sent
anywhere. What cannot be had is named at the end, and the rest is written all the same.
"""


class NotOurs(errors.Permanent):
    """The files are another user's."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} may not be read; run this as the user that the programs run as, or as root")


def add_to(subparsers: commands.Subparsers) -> None:
    parser = subparsers.add_parser(
        "support-bundle",
        help=_HELP,
        description=f"{_HELP[0].upper()}{_HELP[1:]}.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="an agent's run directory, or one VM's in it")
    parser.add_argument("--log-dir", type=Path, metavar="DIR", help="with --run-dir: where the agent's logs are")
    parser.add_argument(
        "--admin",
        type=_address,
        action="append",
        default=[],
        metavar="URL",
        help="with --run-dir: admin address of a process of the agent; may be given again",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="where to write it (default: ./elbflow-support-TIME.tar.gz)"
    )
    commands.add_data_dir(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Return 0 when the file is there, also when something is lacking in it."""
    try:
        mask, contents = _of_vms(arguments) if arguments.run_dir is not None else _of_stack(arguments.data_dir)
    except PermissionError as error:
        raise NotOurs(error.filename) from error
    path = arguments.output or Path(time.strftime("elbflow-support-%Y%m%dT%H%M%SZ.tar.gz", time.gmtime()))
    written = bundle.write(path, mask, contents, _tell)
    for line in written.lacking:
        print(f"lacking: {line}", file=sys.stderr)
    print(f"{path} ({path.stat().st_size / 1024:.0f} KiB, {written.pieces} files; readable by you alone)")
    return 0


def _of_stack(data_dir: Path) -> tuple[masks.Masks, Iterator[pieces.Piece]]:
    where = stack_file.load_layout(data_dir)
    directories = stack.vms(where)
    known = secrets_here.of_stack(where) | secrets_here.of_environment() | secrets_here.of_vms(directories)
    mask = masks.Masks(known)
    return mask, stack.of(where, directories, mask)


def _of_vms(arguments: argparse.Namespace) -> tuple[masks.Masks, Iterator[pieces.Piece]]:
    found = vm.directories(arguments.run_dir.resolve())
    mask = masks.Masks(secrets_here.of_environment() | secrets_here.of_vms(found))
    logs = pieces.logs(arguments.log_dir, mask.log) if arguments.log_dir is not None else ()
    processes = (vm.of_process(url, mask) for url in arguments.admin)
    vms = (vm.of(directory, mask) for directory in found)
    return mask, itertools.chain(itertools.chain.from_iterable(vms), *processes, logs)


def _address(text: str) -> str:
    if not re.match(r"https?://[^/@]+/?\Z", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no address of a process, such as http://127.0.0.1:8781")
    return text


def _tell(part: str) -> None:
    print(f"collecting {part} …", file=sys.stderr, flush=True)
