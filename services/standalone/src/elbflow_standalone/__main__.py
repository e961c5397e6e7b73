"""The ``elbflow`` command."""

from __future__ import annotations

import argparse
import os
import select
import sys
from pathlib import Path

from elbflow import errors
from elbflow_standalone.commands import (
    demo,
    env,
    flow,
    iam,
    instances,
    lb,
    plan,
    polling,
    replay,
    status,
    store,
    support_bundle,
    up,
    workflow,
)

_EPILOG = """\
First steps:
  elbflow demo                        see a load balancer from creation to deletion, with real traffic
  elbflow up                          run the stack in the foreground (Ctrl-C stops it)
  eval "$(elbflow env)"               point the AWS CLI and boto3 at it, then for example:
  elbflow instances add i-web1 --address 127.0.0.1 --zone local-1a
  aws elb create-load-balancer --load-balancer-name web --availability-zones local-1a \\
      --listeners Protocol=HTTP,LoadBalancerPort=8080,InstanceProtocol=HTTP,InstancePort=8000
  aws elb register-instances-with-load-balancer --load-balancer-name web --instances i-web1
  elbflow lb show web                 where its listeners answer, what it should serve and what it does serve
  elbflow plan web --idle-timeout 90  what a change would do to its HAProxys, and whether they reload
  elbflow lb events web               what was done to it, and why something failed
  elbflow iam users add bob           users, roles, their keys and policies, quotas of accounts
  elbflow workflow list               what the control plane did, one line per workflow execution
  elbflow flow safe-to-deploy         whether this build may take over the executions that are open
  elbflow replay HISTORY --break      debug a workflow with a history that was downloaded
  elbflow polling                     why each lane of the services is or is not polling SWF
  elbflow support-bundle              one file for people who look into a problem, without secrets
"""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="elbflow",
        description="A self-hosted load-balancing service compatible with AWS Classic ELB, on one machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (
        up,
        demo,
        env,
        status,
        lb,
        plan,
        instances,
        iam,
        workflow,
        flow,
        replay,
        polling,
        store,
        support_bundle,
    ):
        module.add_to(commands)
    return parser


def default_data_dir() -> Path:
    return Path(os.environ.get("ELBFLOW_DATA_DIR", "data"))


def main(argv: list[str] | None = None) -> int:
    """Run one command; errors are one sentence on stderr that says what to do."""
    arguments = build_parser().parse_args(argv)
    if getattr(arguments, "data_dir", None) is None:
        arguments.data_dir = default_data_dir()
    try:
        code = int(arguments.run(arguments))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        if not _is_unread():
            raise
        return 1
    except errors.ElbflowError as error:
        print(f"elbflow: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _is_unread() -> bool:
    """Whether nobody reads our output any more, as behind ``| head``; what is left of it is dropped then."""
    output = sys.stdout.fileno()
    state = select.poll()
    state.register(output, 0)  # That its other end is closed is told unasked.
    if not state.poll(0):
        return False
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, output)
    os.close(nowhere)
    return True


if __name__ == "__main__":
    sys.exit(main())
