"""One VM's servo in a process of its own, for benchmarks of the data plane.

python -m tests.bench.data_plane_child DIRECTORY ADDRESS

Every line of its input is a document as JSON; for each it prints, when HAProxy serves it, a line with the seconds that
took and the problems of its listeners. Certificates are ``*.pem`` in DIRECTORY, by the last part of their ARN.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pydantic
import structlog
import uvloop

from elbflow import clock
from elbflow.contract import document
from elbflow.service import interpreter
from elbflow_agent import meters
from elbflow_agent.accesslog import api as accesslog
from elbflow_agent.certificates import model
from elbflow_agent.servo import Servo, ServoOptions

DOCUMENT = pydantic.TypeAdapter(document.LoadBalancerDocument)
VM = "vm"


class Files:
    """Certificates from files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def subscribe(self, changed: Callable[[], None]) -> None:
        return

    async def want(self, arns: frozenset[str]) -> None:
        return

    def bundle(self, arn: str) -> model.Found:
        return model.Bundle.of(arn, (self._directory / f"{arn.rpartition('/')[2]}.pem").read_bytes())


async def serve(directory: Path, address: str) -> None:
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    options = ServoOptions(address=address, directory=directory / VM, binary="haproxy")
    time_now, instruments = clock.SystemClock(), meters.Meters()
    stored = accesslog.ShippingOptions(directory / "spool", 1 << 30, "bench", directory=directory / "buckets")
    async with (
        accesslog.shipping(stored, time=time_now, rng=random.Random(), instruments=instruments) as shipping,
        Servo(
            options,
            time=time_now,
            rng=random.Random(),
            instruments=instruments,
            certificates=Files(directory),
            shipping=shipping,
        ) as servo,
    ):
        interpreter.freeze()
        while line := await reader.readline():
            began = time.monotonic()
            applied = await servo.apply(DOCUMENT.validate_json(line))
            problems = [f"{each.port}: {each.reason}" for each in applied.problems]
            answer = {"seconds": time.monotonic() - began, "problems": problems}
            print(orjson.dumps(answer).decode(), flush=True)
        await servo.stop_data_plane(0.05)


if __name__ == "__main__":
    interpreter.tune()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    uvloop.run(serve(Path(sys.argv[1]), sys.argv[2]))
