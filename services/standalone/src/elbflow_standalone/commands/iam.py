"""``elbflow iam``: accounts, users, roles, and what they may do."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shlex
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from elbflow import store
from elbflow_standalone import commands, credentials, identities, stack_file

T = TypeVar("T")

USER, ROLE = store.PrincipalKind.USER, store.PrincipalKind.ROLE
QUOTAS = ("classic-load-balancers", "classic-listeners", "classic-registered-instances", "server-certificates")

_HELP = "accounts, users, roles, their keys and policies"
_EPILOG = """\
Examples:
  elbflow iam users add bob           a user, who may do nothing yet
  elbflow iam policies put readers readers.json --user bob
                                      let him do what an IAM policy document says
  eval "$(elbflow iam keys add --user bob)"
                                      be him in this shell; the secret is shown this once
  elbflow iam roles add deployer      a role; its policies are put with --role deployer
  eval "$(elbflow iam session deployer --duration 900)"
                                      be in that role for a quarter of an hour
  elbflow iam accounts set --quota classic-load-balancers=50
                                      what the account may have
  elbflow iam users list --json       who may do what, for programs
What is changed counts from the next request on. Certificates: aws iam upload-server-certificate help
"""

_STORE = "SQLAlchemy URL of the store; in ELBFLOW_STORE_URL others do not see its password (default: the stack's store)"


def add_to(subparsers: commands.Subparsers) -> None:
    parser = subparsers.add_parser(
        "iam", help=_HELP, description=_HELP, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    topics = parser.add_subparsers(title="topics", metavar="TOPIC", required=True)
    for kind in (USER, ROLE):
        _add_principals(topics, kind)
    _add_policies(topics)
    _add_keys(topics)
    _add_session(topics)
    _add_accounts(topics)


def _add_principals(topics: commands.Subparsers, kind: store.PrincipalKind) -> None:
    actions = _topic(topics, f"{kind.value}s", f"{kind.value}s of an account")
    add = _action(actions, "add", _run_add, f"add a {kind.value}, who may do nothing until he has a policy")
    add.add_argument("name")
    add.add_argument("--path", default="/", help="path in the ARN, e.g. /staff/ (default: /)")
    remove = _action(actions, "remove", _run_remove, f"remove a {kind.value} with his keys and policies")
    remove.add_argument("name")
    show = _action(actions, "list", _run_list, f"list {kind.value}s with the names of their policies")
    show.add_argument("--json", action="store_true", help="for programs, with the documents")
    for action in (add, remove, show):
        action.set_defaults(kind=kind)


def _add_policies(topics: commands.Subparsers) -> None:
    actions = _topic(topics, "policies", "IAM policy documents of users and roles")
    put = _action(actions, "put", _run_put_policy, "add or replace a policy; it counts at once")
    put.add_argument("name", help="name of the policy")
    put.add_argument("document", type=Path, help="file with the JSON document")
    remove = _action(actions, "remove", _run_remove_policy, "remove a policy")
    remove.add_argument("name")
    for action in (put, remove):
        owner = action.add_mutually_exclusive_group(required=True)
        owner.add_argument("--user", metavar="NAME")
        owner.add_argument("--role", metavar="NAME")


def _add_keys(topics: commands.Subparsers) -> None:
    actions = _topic(topics, "keys", "access keys of users, and of accounts themselves")
    add = _action(actions, "add", _run_add_key, "make a key and print it, this once, as shell lines")
    add.add_argument("--json", action="store_true", help="for programs")
    show = _action(actions, "list", _run_list_keys, "list the ids of keys")
    show.add_argument("--json", action="store_true", help="for programs; without the secrets")
    for action in (add, show):
        action.add_argument("--user", metavar="NAME", help="default: the account itself, which may do everything in it")
    remove = _action(actions, "remove", _run_remove_key, "remove a key; it stops working at once")
    remove.add_argument("access_key_id")


def _add_session(topics: commands.Subparsers) -> None:
    session = topics.add_parser("session", help="make a temporary key of a role and print it as shell lines")
    session.add_argument("role")
    session.add_argument("--name", default="operator", help="name of the session (default: %(default)s)")
    session.add_argument("--duration", type=int, default=3600, metavar="S", help="seconds (default: %(default)s)")
    session.add_argument("--policy", type=Path, metavar="FILE", help="document that narrows what the key may do")
    session.add_argument("--json", action="store_true", help="for programs")
    session.set_defaults(run=_run_session)
    _add_common(session)


def _add_accounts(topics: commands.Subparsers) -> None:
    actions = _topic(topics, "accounts", "names and quotas of accounts")
    put = _action(actions, "set", _run_set_account, "name the account, or give it quotas of its own")
    put.add_argument("--alias")
    put.add_argument(
        "--quota", action="append", default=[], type=_quota, metavar="NAME=N", help=f"one of {', '.join(QUOTAS)}"
    )
    show = _action(actions, "list", _run_list_accounts, "list accounts that were named or have quotas of their own")
    show.add_argument("--json", action="store_true", help="for programs")


def _topic(topics: commands.Subparsers, name: str, description: str) -> commands.Subparsers:
    return topics.add_parser(name, help=description).add_subparsers(title="actions", metavar="ACTION", required=True)


def _action(
    actions: commands.Subparsers, name: str, run: Callable[[argparse.Namespace], int], description: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=description)
    parser.set_defaults(run=run)
    _add_common(parser)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", default=credentials.ACCOUNT, help="12 digits (default: %(default)s)")
    parser.add_argument("--store", metavar="URL", help=_STORE)
    commands.add_data_dir(parser)


def _run_add(arguments: argparse.Namespace) -> int:
    added = _on_store(
        arguments, lambda db: identities.add(db, arguments.account, arguments.kind, arguments.name, arguments.path)
    )
    print(added.arn)
    return 0


def _run_remove(arguments: argparse.Namespace) -> int:
    _on_store(arguments, lambda db: identities.remove(db, arguments.account, arguments.kind, arguments.name))
    return 0


def _run_list(arguments: argparse.Namespace) -> int:
    everybody = _on_store(arguments, lambda db: identities.listed(db, arguments.account))
    found = [one for one in everybody if one.kind is arguments.kind]
    if arguments.json:
        _print_json([{"arn": one.arn, "name": one.name, "policies": _documents(one)} for one in found])
    else:
        for one in found:
            print(f"{one.name:<24}{', '.join(name for name, _ in one.policies):<40}{one.arn}")
    return 0


def _documents(principal: store.Principal) -> Mapping[str, object]:
    return {name: json.loads(document) for name, document in principal.policies}


def _run_put_policy(arguments: argparse.Namespace) -> int:
    kind, name = _owner(arguments)
    document = _text(arguments.document)
    _on_store(
        arguments,
        lambda db: identities.put_policy(db, arguments.account, kind, name, arguments.name, document),
    )
    return 0


def _run_remove_policy(arguments: argparse.Namespace) -> int:
    kind, name = _owner(arguments)
    _on_store(arguments, lambda db: identities.remove_policy(db, arguments.account, kind, name, arguments.name))
    return 0


def _owner(arguments: argparse.Namespace) -> tuple[store.PrincipalKind, str]:
    return (USER, arguments.user) if arguments.user is not None else (ROLE, arguments.role)


def _run_add_key(arguments: argparse.Namespace) -> int:
    _show_key(arguments, _on_store(arguments, lambda db: identities.add_key(db, arguments.account, arguments.user)))
    return 0


def _run_list_keys(arguments: argparse.Namespace) -> int:
    found = _on_store(arguments, lambda db: identities.keys(db, arguments.account, arguments.user))
    if arguments.json:
        _print_json([{"access_key_id": one.access_key_id, "admin": one.admin, **_ending(one)} for one in found])
        return 0
    for key in found:
        notes = ["administrator"] * key.admin + [f"until {ends}" for ends in _ending(key).values()]
        print("  ".join((key.access_key_id, *notes)))
    return 0


def _ending(key: store.AccessKey) -> dict[str, str]:
    """When a temporary key ends; nothing for one that lasts."""
    if key.expires_at is None:
        return {}
    return {"expires_at": datetime.fromtimestamp(key.expires_at, UTC).isoformat()}


def _run_remove_key(arguments: argparse.Namespace) -> int:
    _on_store(arguments, lambda db: identities.remove_key(db, arguments.access_key_id))
    return 0


def _run_session(arguments: argparse.Namespace) -> int:
    policy = None if arguments.policy is None else _text(arguments.policy)
    key = _on_store(
        arguments,
        lambda db: identities.open_session(
            db, arguments.account, arguments.role, arguments.name, duration_s=arguments.duration, policy=policy
        ),
    )
    _show_key(arguments, key)
    return 0


def _show_key(arguments: argparse.Namespace, key: store.AccessKey) -> None:
    """The only time that the secret is seen."""
    shown = {"AWS_ACCESS_KEY_ID": key.access_key_id, "AWS_SECRET_ACCESS_KEY": key.secret_access_key}
    if key.session_token is not None:
        shown["AWS_SESSION_TOKEN"] = key.session_token
    if arguments.json:
        _print_json({**shown, **_ending(key), "principal": key.principal})
        return
    for name, value in shown.items():
        print(f"export {name}={shlex.quote(value)}")
    if key.session_token is None:
        print("unset AWS_SESSION_TOKEN")


def _run_set_account(arguments: argparse.Namespace) -> int:
    _on_store(
        arguments, lambda db: identities.set_account(db, arguments.account, arguments.alias, tuple(arguments.quota))
    )
    return 0


def _run_list_accounts(arguments: argparse.Namespace) -> int:
    found = _on_store(arguments, identities.accounts)
    if arguments.json:
        _print_json([{"account": one.account, "alias": one.alias, "quotas": dict(one.quotas)} for one in found])
        return 0
    for one in found:
        quotas = ", ".join(f"{name}={value}" for name, value in one.quotas)
        print(f"{one.account}  {one.alias or '-':<24}{quotas}")
    return 0


def _quota(text: str) -> tuple[str, int]:
    name, _, value = text.partition("=")
    if name not in QUOTAS or not (value.isascii() and value.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=N with a name of {', '.join(QUOTAS)}")
    return name, int(value)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise identities.BadIdentity(f"{path} cannot be read: {error}") from error


def _on_store(arguments: argparse.Namespace, work: Callable[[store.Store], Awaitable[T]]) -> T:
    url = arguments.store or os.environ.get("ELBFLOW_STORE_URL") or stack_file.load_layout(arguments.data_dir).store_url

    async def run() -> T:
        async with store.Store(url) as db:
            await db.require_current_schema()
            return await work(db)

    return asyncio.run(run())
