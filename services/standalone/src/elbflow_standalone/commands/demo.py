"""``elbflow demo``: the tour on a stack of its own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import sys
import tempfile
import time
from pathlib import Path

from elbflow_standalone import commands, layout, stack
from elbflow_standalone.demo import narrator, tour

_FIRST_PORT, _LAST_PORT = 18_700, 28_700


def add_to(subparsers: commands.Subparsers) -> None:
    parser = subparsers.add_parser("demo", help="start a stack, play the tour with real traffic, stop everything")
    parser.add_argument("--keep", action="store_true", help="keep the data directory and its logs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Return 0 when every step ended as it should; else say what was expected, what was seen and where the logs are."""
    where = layout.Layout(Path(tempfile.mkdtemp(prefix="elbflow-demo-")), _free_base_port())
    story = narrator.Narrator(sys.stdout)
    began = time.monotonic()
    story.say(tour.title())
    try:
        _play(where, story)
    except Exception as error:
        story.say(f"\nThe tour failed: {error}\nLogs: {where.log_dir}")
        return 1
    story.say(f"\nAll steps passed in {time.monotonic() - began:.1f} s; everything is stopped.")
    if arguments.keep:
        story.say(f"Data and logs: {where.data_dir}")
    else:
        shutil.rmtree(where.data_dir)
        shutil.rmtree(where.run_dir, ignore_errors=True)
    return 0


def _play(where: layout.Layout, story: narrator.Narrator) -> None:
    with contextlib.ExitStack() as running:
        with story.step("start the stack") as step:
            services: list[str] = []
            running.enter_context(stack.running(where, services.append))
            step.detail = ", ".join(services)
        story.say(f"    what its workflows do, in a browser while this runs: {where.console_url}")
        asyncio.run(tour.Tour(where, story).play())
        story.say()
        with story.step("stop the stack"):
            running.close()


def _free_base_port() -> int:
    """A base port whose block nobody uses now."""
    for port in range(_FIRST_PORT, _LAST_PORT, layout.PORTS_USED):
        if not stack.ports_in_use(layout.Layout(Path(), port)):
            return port
    raise stack.CannotStart(f"no free ports between {_FIRST_PORT} and {_LAST_PORT}")
