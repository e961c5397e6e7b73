"""``elbflow status``: the programs of the stack."""

from __future__ import annotations

import argparse
import json

from elbflow_standalone import commands, layout, stack_file, supervision


def add_to(subparsers: commands.Subparsers) -> None:
    parser = subparsers.add_parser("status", help="show the programs of the running stack and whether they are ready")
    commands.add_data_dir(parser)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Return 0 when every program runs and is ready, else 1."""
    where = stack_file.load_layout(arguments.data_dir)
    states, pids = supervision.states(where), supervision.pids(where)
    reasons = {name: supervision.probe(where, name) for name in layout.SERVICES}
    if arguments.json:
        rows = {
            name: {"state": states[name], "pid": pids.get(name), "not_ready": reasons.get(name) or None}
            for name in states
        }
        print(json.dumps(rows, indent=2))
    else:
        for name, state in states.items():
            print(f"{name:<12}{state:<10}{pids.get(name, '-')!s:<8}{reasons.get(name) or 'ready'}")
        print(f"console: {where.console_url}")
    return 0 if not any(reasons.values()) and set(states) == set(pids) else 1
