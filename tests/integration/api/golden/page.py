"""docs/compatibility.md, made from docs/compatibility.toml, botocore's model, the settings and the golden rows.

``python -m tests.integration.api.golden.page`` writes it anew; a test compares it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.integration.api.golden import rows, stages
from tests.integration.api.golden.table import Refused, Row
from tests.unit.api import wire

from elbflow_api import query
from elbflow_api.settings import ApiSettings

DOCS = Path(__file__).parents[4] / "docs"
PAGE, STATEMENTS = DOCS / "compatibility.md", DOCS / "compatibility.toml"

EVERY, ITSELF, SAME = "every", "*", "="
_COMPATIBILITY = "compatibility_"

_HEAD = """\
# Compatibility with AWS and with the original

elbflow speaks the Query protocol of AWS Classic ELB, version 2012-06-01, on `/` and `/services/LoadBalancing`, GET and
POST. Shapes, required members, and the codes and statuses of errors come from botocore's own `elb` model; answers are
what botocore's own parser reads back. Where AWS and the original differ, AWS wins; a setting brings back what clients
of the original may rely on.

This page is made from `docs/compatibility.toml`, botocore's model and the golden rows, which are requests with their
answers that the tests send through boto3, and one of each operation through the AWS CLI
(`tests/integration/api/golden`). *Rows* says how many of them have the parameter: accepted + refused.

"""

_NOTES = """\
## Worth knowing

* Calls that change infrastructure (create, delete, listeners, certificates, zones, subnets, security groups,
  attributes) answer when their workflow has ended, with its real outcome. After 50 seconds they answer 503
  `ServiceUnavailable`; repeating the call joins the workflow that is still running. Other changes answer at once and
  are served within moments; `elbflow lb show` tells when.
* HTTPS and SSL listeners need a server certificate of the account. They begin with the default security policy.
* Security policies are predefined in a JSON file; `ELBFLOW_SECURITY_POLICIES_FILE` names one to use instead. Besides
  those of AWS's classic load balancers it has the forward-secret ones that AWS offers on other load balancers.
* An `InstanceId` is `i-…`: EC2's, or in the local cloud its directory's (`elbflow instances add`) or an IPv4 address.
* Users and roles may do what IAM policies allow; load balancers that are not for them look as if they did not exist.
* IAM's server certificates are served on a port of their own, as `aws iam` and Terraform's
  `aws_iam_server_certificate` use them.
* Authentication is Signature Version 4, in headers or presigned, with lasting or temporary keys. `--auth off` believes
  every caller and derives the account from the access key.
* Health states, reason codes and descriptions are AWS's. What AWS does not know is told in addition, in descriptions
  and in an element that clients skip: a listener that is not served (`Listener 443 is not served: port is in use …`),
  or that is served with something wrong.
* Parameters that the model does not know are ignored. Members of lists are taken in the order of their numbers, which
  may have gaps.
* SOAP is not spoken.

"""


def statements() -> dict[str, dict[str, list[str]]]:
    """What is said of each operation's parameters: here, at AWS, in the original."""
    return tomllib.loads(STATEMENTS.read_text())


def parameters(operation: str) -> list[tuple[str, Any, bool]]:
    """Path, botocore's shape, and whether it is required, of everything that a request of the operation can have."""
    return list(_below(wire.MODEL.operation_model(operation).input_shape, ""))


def _below(shape: Any, prefix: str) -> Iterator[tuple[str, Any, bool]]:
    if shape.type_name == "list":
        yield from _below(shape.member, prefix)
    elif shape.type_name == "structure":
        for name, member in shape.members.items():
            yield f"{prefix}{name}", member, name in shape.required_members
            yield from _below(member, f"{prefix}{name}.")


def statement(said: Mapping[str, Mapping[str, list[str]]], operation: str, path: str) -> Sequence[str]:
    """What is said of a parameter; raises ``KeyError`` when nothing is."""
    own = said[operation]
    return own[path] if path in own else said[EVERY][path]


def exercised(operation: str, path: str) -> tuple[int, int]:
    """How many golden rows of the operation have the parameter and are accepted, and how many are refused."""
    having = [row for row in rows.ROWS if row.call.operation == operation and _has(row.call.given, path.split("."))]
    refused = sum(isinstance(row.expected, Refused) for row in having)
    return len(having) - refused, refused


def _has(value: Any, parts: Sequence[str]) -> bool:
    if not parts:
        return True
    if isinstance(value, Mapping):
        return parts[0] in value and _has(value[parts[0]], parts[1:])
    return isinstance(value, Sequence) and not isinstance(value, str) and any(_has(one, parts) for one in value)


def made() -> str:
    """The page."""
    said = statements()
    operations = sorted(query.operations())
    return "".join([_HEAD, *_settings(), _NOTES, *(_operation(said, name) for name in operations)])


def _settings() -> Iterator[str]:
    yield "## Settings for clients of the original\n\n| Variable | What it brings back | Rows |\n|---|---|---|\n"
    for name, field in sorted(ApiSettings.model_fields.items()):
        if name.startswith(_COMPATIBILITY):
            own = stages.OWN_TESTS.get(name)
            shown = f"`{own}`" if own else _counts(stages.ORIGINAL[name])
            yield f"| `ELBFLOW_{name.upper()}` | {field.description} | {shown} |\n"
    yield "\n"


def _operation(said: Mapping[str, Mapping[str, list[str]]], operation: str) -> str:
    of_operation = [row for row in rows.ROWS if row.call.operation == operation]
    lines = [
        f"## {operation}\n",
        "| | In the model | Here | AWS | The original | Rows |",
        "|---|---|---|---|---|---|",
        _line("**the operation**", "", said[operation][ITSELF], _counts(of_operation)),
    ]
    for path, shape, required in parameters(operation):
        accepted, refused = exercised(operation, path)
        name = f"`{path}`" + (" (required)" if required else "")
        lines.append(_line(name, _constraints(shape), statement(said, operation, path), f"{accepted} + {refused}"))
    return "\n".join([*lines, "", *_errors(operation), "\n"])


def _line(name: str, constraints: str, statement: Sequence[str], proof: str) -> str:
    here, aws, original = (_words(one) for one in statement)
    return f"| {name} | {constraints} | {here} | {aws} | {original} | {proof} |"


def _words(text: str) -> str:
    return "the same" + text[len(SAME) :] if text.startswith(SAME) else text


def _counts(of_operation: Sequence[Row]) -> str:
    refused = sum(isinstance(row.expected, Refused) for row in of_operation)
    return f"{len(of_operation) - refused} + {refused}"


def _constraints(shape: Any) -> str:
    """Type and bounds as the model has them."""
    bounds = [shape.metadata.get("min", ""), shape.metadata.get("max", "")]
    return shape.type_name + (f" {bounds[0]}..{bounds[1]}" if any(bound != "" for bound in bounds) else "")


def _errors(operation: str) -> Iterator[str]:
    """The refusals that rows show, and the model's that never come."""
    codes = ", ".join(f"`{code}`" for code in sorted(rows.proven_errors(operation)))
    if codes:
        yield f"Refusals that rows show: {codes}."
    for (name, code), reason in rows.NEVER.items():
        if name == operation:
            yield f"`{code}` never comes: {reason}."


if __name__ == "__main__":
    PAGE.write_text(made())
