"""A bucket that takes nothing is told to its owner, and that it does again."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from botocore.exceptions import ClientError, EndpointConnectionError

from elbflow import objects
from elbflow_agent import meters
from elbflow_agent.accesslog import shipper, spool, troubles

TO = spool.Destination("000000000001", "web", "logs", "", 5)
OTHER = spool.Destination("000000000001", "other", "logs", "", 5)
REFUSAL = ClientError(
    {"Error": {"Code": "NoSuchBucket", "Message": "The specified bucket does not exist"}}, "PutObject"
)


def not_stored(cause: Exception) -> objects.ObjectNotStored:
    error = objects.ObjectNotStored(f"logs/AWSLogs/1/2.log: {cause}")
    error.__cause__ = cause
    return error


def test_three_failures_in_a_row_are_told_until_an_object_is_stored() -> None:
    found, heard = troubles.Troubles(), list[str | None]()
    found.subscribe(tell := lambda: heard.append(found.of(TO)))
    for cause in (TimeoutError(), REFUSAL):
        found.failed(TO, not_stored(cause))
    found.stored(TO)  # what failed twice is nobody's business
    assert (heard, found.of(TO), found.of(None)) == ([], None, None)
    for _ in range(5):
        found.failed(TO, not_stored(REFUSAL))
    said = "Access logs cannot be stored in bucket logs: The specified bucket does not exist (NoSuchBucket)"
    assert (heard, found.of(OTHER)) == ([said], None)
    found.stored(TO)
    assert heard == [said, None]
    found.unsubscribe(tell)
    found.unsubscribe(tell)
    for _ in range(3):
        found.failed(TO, not_stored(REFUSAL))
    assert heard == [said, None]


def test_reasons_name_no_keys_and_no_endpoints() -> None:
    """They would be news each time, and the cloud's own affairs."""
    found = troubles.Troubles()
    for cause, said in (
        (EndpointConnectionError(endpoint_url="http://10.9.8.7/logs/AWSLogs/1/2.log"), "EndpointConnectionError"),
        (NotADirectoryError(20, "Not a directory", "/var/lib/logs"), "Not a directory"),
    ):
        for _ in range(3):
            found.failed(TO, not_stored(cause))
        assert found.of(TO) == f"Access logs cannot be stored in bucket logs: {said}"


async def test_the_shipper_notes_what_fails_and_what_is_stored(tmp_path: Path) -> None:
    bucket = tmp_path / "store" / "logs"
    await asyncio.to_thread(bucket.parent.mkdir)
    await asyncio.to_thread(bucket.touch)  # a file where a directory should be
    parts = spool.Spool(tmp_path / "spool", cap_bytes=1 << 20, region="home-1", rng=random.Random(1))
    await asyncio.to_thread(parts.prepare, 0.0)
    path = parts.directory / "i-1.300-x.ready"
    line = (
        b'["H",0,1,200,"--",0,0,1700000000.123,0,0,"C0000201","99","0A000001","80","fe-80",80,90,"-","-",0,0] '
        b"{||||||test||} {0|} GET / HTTP/1.1\n"
    )
    content = spool._HEADER.dump_json(spool.Header(TO, "AWSLogs/1.log", 300)) + b"\n" + line
    await asyncio.to_thread(path.write_bytes, content)
    store = objects.DirectoryObjects(bucket.parent)
    ships = shipper.Shipper(parts, lambda to: store, instruments=meters.Meters(), backoff_s=(0.01,))
    told = asyncio.Event()
    ships.troubles.subscribe(told.set)
    running = asyncio.create_task(ships.run())
    ships.offer(path)
    async with asyncio.timeout(5):
        await told.wait()
        assert "in bucket logs: " in (ships.troubles.of(TO) or "")
        await asyncio.to_thread(bucket.unlink)
        assert await ships.settled(5.0)
    assert ships.troubles.of(TO) is None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
