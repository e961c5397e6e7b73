"""Where rows are played: one API with its workflows, an account for every group of rows, boto3 and the AWS CLI."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import jmespath  # type: ignore[import-untyped]
from botocore import xform_name
from botocore.exceptions import ClientError
from tests.integration.api.conftest import Elb, House, open_house
from tests.integration.api.golden import aws_cli, changes, in_vpc, load_balancers, policies
from tests.integration.api.golden.table import Call, Refused, Row, Seen, filled

from elbflow import store

INSTANCES = (
    ("i-000000a1", "local-1a", "running"),
    ("i-000000a2", "local-1a", "stopped"),
    ("i-000000b1", "local-1b", "running"),
)
_PROCESSES = 2
"""For calls through the AWS CLI."""
_REFUSED = re.compile(
    r"An error occurred \((?P<code>[^)]+)\) when calling the \w+ operation: (?P<message>.*)", re.DOTALL
)


class Troupe:
    """Calls of one account."""

    def __init__(self, elb: Elb, key: store.AccessKey, cli: Callable[[], Awaitable[aws_cli.AwsCli]]) -> None:
        self._elb = elb
        self._key = key
        self._aws_cli = cli

    async def prepare(self, calls: tuple[Call, ...]) -> str:
        """Make the calls; which one was refused, empty when none was."""
        for call in calls:
            answer = await self._boto3(call)
            if isinstance(answer, Refused):
                return f"{call} was refused with {answer}"
        return ""

    async def play(self, row: Row, *, cli: bool = False) -> str:
        """Make the row's call; what differs from what it expects, empty when all is as it should be."""
        answer = await (self._cli if cli else self._boto3)(row.call)
        return self._difference(row.expected, answer) or await self._unseen(row.sees)

    async def _unseen(self, seen: tuple[Seen, ...]) -> str:
        for one in seen:
            answer = await self._boto3(one.call)
            if isinstance(answer, Refused):
                return f"then {one.call} was refused with {answer}"
            found, wanted = jmespath.search(one.expression, answer), filled(one.value, self._key.account)
            if found != wanted:
                return f"then {one.call.operation} {one.expression}: {found!r}, not {wanted!r}"
        return ""

    def _difference(self, expected: Mapping[str, Any] | Refused, answer: Any) -> str:
        if not isinstance(expected, Refused):
            wanted = filled(expected, self._key.account)
            return "" if wanted == answer else f"answered {answer!r}, not {wanted!r}"
        if not isinstance(answer, Refused):
            return f"answered {answer!r}, not {expected}"
        alike = (answer.code, answer.status) == (expected.code, expected.status) and expected.says in answer.says
        return "" if alike else f"refused with {answer}, not {expected}"

    async def _boto3(self, call: Call) -> Any:
        try:
            answer = await getattr(self._elb, xform_name(call.operation))(**filled(call.given, self._key.account))
        except ClientError as error:
            told: Any = error.response
            return Refused(
                told["Error"]["Code"], told["ResponseMetadata"]["HTTPStatusCode"], told["Error"].get("Message") or ""
            )
        answer.pop("ResponseMetadata")
        return answer

    async def _cli(self, call: Call) -> Any:
        """The same by the AWS CLI. It does not tell the status of a refusal, so that of the model's fault is taken."""
        environment = os.environ | {
            "AWS_ACCESS_KEY_ID": self._key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self._key.secret_access_key,
        }
        arguments = (
            *("elb", xform_name(call.operation, "-")),
            *("--cli-input-json", json.dumps(filled(call.given, self._key.account))),
            *("--endpoint-url", self._elb.url, "--region", "us-east-1", "--output", "json"),
        )
        code, out, err = await (await self._aws_cli()).call(arguments, environment)
        if code == 0:
            return json.loads(out) if out.strip() else {}
        told = _REFUSED.search(err)
        assert told is not None, (call, err)
        status = 409 if told["code"] == "InvalidConfigurationRequest" else 400
        return Refused(told["code"], status, told["message"].strip())


class Stage:
    """Hands out accounts. ``exits`` closes what it opens."""

    def __init__(self, house: House, exits: contextlib.AsyncExitStack) -> None:
        self.house = house
        self._exits = exits
        self._numbers = itertools.count(100_000_000_000)
        self._opening = asyncio.Lock()
        self._clis: list[aws_cli.AwsCli] = []
        self._turns = itertools.cycle(range(_PROCESSES))

    async def troupe(self) -> Troupe:
        """A new account with a key, a few instances and two server certificates."""
        account = str(next(self._numbers))
        key = store.AccessKey(f"AKIA{account}", "secret-of-the-tests", account)
        async with self.house.db.transaction() as tx:
            await tx.access_keys.save(key)
            for number, (instance_id, zone, state) in enumerate(INSTANCES, 1):
                await tx.instances.save(store.Instance(account, instance_id, f"10.0.0.{number}", zone, state))
            for arn in (policies.CERTIFICATE, policies.RENEWED):
                await tx.server_certificates.add(_certificate(account, filled(arn, account)))
        return Troupe(Elb(self.house.api.url, key.access_key_id, key.secret_access_key), key, self._cli)

    async def _cli(self) -> aws_cli.AwsCli:
        """The next of a few, which are started when the first is wanted."""
        async with self._opening:
            while len(self._clis) < _PROCESSES:
                self._clis.append(await self._exits.enter_async_context(aws_cli.AwsCli()))
        return self._clis[next(self._turns)]


def _certificate(account: str, arn: str) -> store.ServerCertificate:
    """A certificate as IAM keeps it. Nothing here looks inside."""
    name = arn.rpartition("/")[2]
    return store.ServerCertificate(
        account, name, "/", f"ASCA{account}{name}", arn, "a certificate", None, b"a key", 1.0, 2_000_000_000.0
    )


@contextlib.asynccontextmanager
async def open_stage(store_url: str, **more: Any) -> AsyncIterator[Stage]:
    """A stage with the cloud that the rows presuppose, and limits that are quickly reached."""
    chosen = {
        "vpc": in_vpc.VPC,
        "access_log_buckets": [changes.BUCKET],
        "max_policies": len(policies.FULL),
        "max_load_balancers": load_balancers.MOST,
        **more,
    }
    async with open_house(store_url, **chosen) as house, contextlib.AsyncExitStack() as exits:
        yield Stage(house, exits)
