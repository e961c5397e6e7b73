"""What a one-machine stack tells: its programs, what they measure, its load balancers, and its VMs."""

from __future__ import annotations

import asyncio
import errno
import functools
import json
import os
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path

from elbflow import store
from elbflow_standalone import aws, layout, load_balancers, programs, supervision
from elbflow_standalone.support import masks, pieces, vm

_OURS = "ELBFLOW_"
_POLLING = ("decider", "activities", "agent")
_WORSE = frozenset({"warning", "error", "critical"})
_MOST_PROBLEMS = 1000


def of(where: layout.Layout, directories: Sequence[Path], mask: masks.Masks) -> Iterator[pieces.Piece]:
    """Everything of the stack and its VMs that holds no secret; of one that runs no more what its files tell."""
    yield pieces.Piece("settings.json", lambda: mask.values(_settings(where)))
    yield pieces.Piece("status.json", lambda: mask.values(_status(where)))
    yield pieces.Piece("problems.jsonl", lambda: mask.log(_problems(where)))
    yield pieces.Piece("load-balancers.json", lambda: mask.values(_load_balancers(where)))
    for service in layout.SERVICES:
        address = f"{where.admin_url(service)}/metrics"
        yield pieces.Piece(f"metrics/{service}.txt", functools.partial(pieces.page, address, mask.text))
    for service in _POLLING:
        address = f"{where.admin_url(service)}/debug/polling?format=json"
        yield pieces.Piece(f"polling/{service}.json", functools.partial(pieces.page, address, mask.text))
    yield from pieces.logs(where.log_dir, mask.log)
    for directory in directories:
        yield pieces.Piece(f"vms/{directory.name}/agent.json", functools.partial(_vm, mask, where, directory.name))
        yield from vm.of(directory, mask)


def vms(where: layout.Layout) -> list[Path]:
    """The directories of the stack's VMs; a stack may have none."""
    try:
        return vm.directories(where.agent_dir)
    except vm.NoVm:
        return []


def _settings(where: layout.Layout) -> dict[str, object]:
    """Of the programs as the stack starts them, and of this shell, whose variables they would get."""
    of_programs = {
        one.name: {"command": list(one.command), "environment": dict(one.environment)}
        for one in programs.programs(where)
    }
    ours = {name: value for name, value in os.environ.items() if name.startswith(_OURS)}
    return {"programs": of_programs, "environment": ours, "data_dir": str(where.data_dir)}


def _status(where: layout.Layout) -> dict[str, object]:
    states, pids = supervision.states(where), supervision.pids(where)
    reasons = {name: supervision.probe(where, name) for name in layout.SERVICES}
    return {
        name: {"state": state, "pid": pids.get(name), "not_ready": reasons.get(name) or None}
        for name, state in states.items()
    }


def _problems(where: layout.Layout) -> str:
    """The last lines of all logs that are more than information."""
    found: list[str] = []
    for path in sorted(where.log_dir.glob("*.log")):
        lines = pieces.tail(path).splitlines(keepends=True)
        found += [line for line in lines if _level(line) in _WORSE][-_MOST_PROBLEMS:]
    return "".join(found)


def _level(line: str) -> str:
    try:
        fields = json.loads(line)
    except ValueError:
        return ""
    return str(fields.get("level", "")) if isinstance(fields, dict) else ""


def _load_balancers(where: layout.Layout) -> list[dict[str, object]]:
    """As ``elbflow lb show`` does, of all accounts."""
    file = Path(where.store_url.partition(":///")[2])
    if not file.exists():  # it would be made
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
    found, elb = asyncio.run(_stored(where)), aws.client(where, "elb")
    answers = True
    told = []
    for lb in found:
        one, answers = _shown(where, elb, lb) if answers else ({}, False)
        told.append(load_balancers.as_json(lb) | one)
    return told


async def _stored(where: layout.Layout) -> Sequence[store.LoadBalancer]:
    async with store.Store(where.store_url) as db:
        await db.require_current_schema()
        async with db.reading() as tx:
            return await tx.load_balancers.all()


def _shown(where: layout.Layout, elb: aws.Client, lb: store.LoadBalancer) -> tuple[dict[str, object], bool]:
    """What the API says of it, and whether the API answers at all."""
    try:
        with aws.explained(where):
            shown = load_balancers.show(elb, lb)
    except aws.Unreachable as error:
        return {"description": f"not to be had: {error}"}, False
    except (aws.Refused, load_balancers.NoSuchLoadBalancer) as error:
        return {"description": f"not to be had: {error}"}, True
    return {"description": _plain(shown.description), "attributes": _plain(shown.attributes)}, True


def _plain(answer: aws.Answer) -> object:
    """Times as texts; and not what a boto3 answer tells of itself."""
    return json.loads(json.dumps(answer, default=str))


def _vm(mask: masks.Masks, where: layout.Layout, instance_id: str) -> str:
    address = f"{where.admin_url('agent')}/vms/{urllib.parse.quote(instance_id)}"
    return pieces.page(address, mask.text, {"Authorization": f"Bearer {where.token_file.read_text().strip()}"})
