"""What workflow code must not call, and what to do instead (spec/anchors 3.8 rule 7).

Names that an interpreter or a platform does not have are left out.
"""

from __future__ import annotations

import asyncio
import builtins
import concurrent.futures
import datetime
import io
import os
import random
import secrets
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from types import ModuleType
from typing import Any

CLOCK = "use flow.now() and flow.sleep()"
CHANCE = "draw it in flow.side_effect() or in an activity"
WORLD = "do it in an activity"
HOST = "pass it in the workflow's input, or read it in flow.side_effect()"
LOOPS = "the runtime runs the workflow; await instead"
THREADS = "workflows have no threads; use tasks, or an activity"

FUNCTIONS: tuple[tuple[ModuleType, str, str], ...] = (
    (
        time,
        "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns thread_time "
        "thread_time_ns clock_gettime clock_gettime_ns sleep localtime gmtime ctime",
        CLOCK,
    ),
    (
        random,
        "random randint randrange randbytes choice choices sample shuffle uniform triangular getrandbits gauss "
        "normalvariate lognormvariate expovariate betavariate gammavariate paretovariate vonmisesvariate "
        "weibullvariate binomialvariate seed getstate setstate",
        CHANCE + ", or seed a random.Random() of your own",
    ),
    (secrets, "token_bytes token_hex token_urlsafe randbelow randbits choice", CHANCE),
    (uuid, "uuid1 uuid4 uuid6 uuid7 getnode", CHANCE),
    (os, "urandom getrandom", CHANCE),
    (os, "getenv getpid getppid getlogin cpu_count getloadavg times uname", HOST),
    (
        os,
        "open read write listdir scandir walk stat lstat access readlink remove unlink mkdir makedirs rmdir rename "
        "replace link symlink truncate utime chmod system popen fork posix_spawn posix_spawnp kill putenv unsetenv",
        WORLD,
    ),
    (builtins, "open input", WORLD),
    (io, "open open_code", WORLD),
    (asyncio, "new_event_loop", LOOPS),
    (asyncio.events, "new_event_loop", LOOPS),
    (socket, "create_connection create_server getaddrinfo gethostbyname gethostbyaddr gethostname getfqdn", WORLD),
)
"""Functions of modules. They are replaced while a decision is taken."""

METHODS: tuple[tuple[type, str, str], ...] = (
    (socket.socket, "__init__", WORLD),
    (subprocess.Popen, "__init__", WORLD),
    (threading.Thread, "start", THREADS),
    (concurrent.futures.ThreadPoolExecutor, "submit", THREADS),
    (random.SystemRandom, "random", CHANCE),
    (random.SystemRandom, "getrandbits", CHANCE),
    (type(os.environ), "__getitem__", HOST),
    (type(os.environ), "__iter__", HOST),
)
"""Methods of classes. They are replaced once: changing a class at each decision would slow down all its instances."""

ATTRIBUTES: tuple[tuple[Any, str, str], ...] = (
    (datetime.datetime, "now utcnow today", CLOCK),
    (datetime.date, "today", CLOCK),
    (asyncio, "Task Future", "use asyncio.create_task(), or create_future() of the running loop"),
)
"""What nothing can replace; only :mod:`elbflow.flow.inspection` sees it."""


def functions() -> Iterator[tuple[ModuleType, str, str]]:
    """Each banned function of a module: where it lives, its name, what to do instead."""
    for module, names, remedy in FUNCTIONS:
        for name in names.split():
            if hasattr(module, name):
                yield module, name, remedy


def message(what: str, remedy: str) -> str:
    return f"{what}() is not reproducible inside a workflow: {remedy}"
