"""Tables of load balancers for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box, console, table
from rich.text import Text

from elbflow import store
from elbflow.contract import document
from elbflow_standalone import aws, lb_events, load_balancers

_STYLES = {
    "InService": "green",
    "OutOfService": "yellow",
    "Error": "red",
    "success": "green",
    "open": "cyan",
    "failed": "red",
    "timed out": "red",
    "terminated": "red",
}
_WHOLE = frozenset({"answers at", "instances", "scheme", "started", "state", "took"})
"""Columns that stay in one piece however narrow the terminal is: they are short, or to be copied."""


def listing(found: Sequence[aws.Answer]) -> console.RenderableType:
    """One line for each load balancer."""
    if not found:
        return Text("no load balancers yet; to create one: aws elb create-load-balancer help")
    made = _table("", "name", "listeners", "zones", "instances", "scheme", "created")
    for one in found:
        made.add_row(
            Text(one["LoadBalancerName"], style="bold"),
            "\n".join(_listener(listener["Listener"]) for listener in one["ListenerDescriptions"]),
            "\n".join(one["AvailabilityZones"]),
            str(len(one["Instances"])),
            one["Scheme"],
            f"{one['CreatedTime']:%Y-%m-%d %H:%M:%S}",
        )
    return made


def health(name: str, states: Sequence[aws.Answer]) -> console.RenderableType:
    """One line for each instance."""
    if not states:
        return Text(f"{name} has no instances; to add one: aws elb register-instances-with-load-balancer help")
    made = _table("", "instance", "state", "reason", "description")
    for one in states:
        state = Text(one["State"], style=_STYLES.get(one["State"], ""))
        made.add_row(one["InstanceId"], state, one["ReasonCode"], one["Description"])
    return made


def events(name: str, found: Sequence[lb_events.Event]) -> console.RenderableType:
    """One line for each execution."""
    made = _table(f"{name}: what was done, newest first", "started", "took", "workflow", "outcome", "reason", "id")
    for one in found:
        took = f"{(one.ended - one.started).total_seconds():.2f} s" if one.ended else ""
        outcome = Text(one.outcome, style=_STYLES.get(one.outcome, ""))
        made.add_row(
            f"{one.started:%H:%M:%S}", took, one.workflow, outcome, one.reason, Text(one.workflow_id, style="dim")
        )
    return made


def page(shown: load_balancers.Shown) -> Iterator[console.RenderableType]:
    """All of one load balancer, part by part."""
    lb = shown.state
    yield _facts(shown)
    if shown.description:
        yield _listeners(shown)
    if lb.backends:
        yield health(lb.key.name, [_state(backend) for backend in lb.backends])
    for vm in lb.vms:
        for problem in vm.problems:
            where = f", port {problem.port}" if problem.port != document.WHOLE else ""
            yield Text(f"problem on {vm.instance_id}{where}: {problem.reason}", style="red")


def _facts(shown: load_balancers.Shown) -> table.Table:
    lb = shown.state
    made = table.Table.grid(padding=(0, 2))
    made.add_column(style="dim")
    made.add_column(overflow="fold")
    late = lb.applied_generation < lb.generation
    rows: dict[str, str | Text] = {
        "name": Text(f"{lb.key.name} ({lb.state})", style="bold"),
        "account": lb.key.account,
        "DNS name": lb.dns_name,
        "serves": Text(f"generation {lb.applied_generation} of {lb.generation}", style="yellow" if late else "green"),
        "zones": ", ".join(lb.enabled_zones),
    }
    if shown.description:
        rows |= _settings(shown)
    for name, value in rows.items():
        made.add_row(name, value)
    return made


def _settings(shown: load_balancers.Shown) -> dict[str, str | Text]:
    description, attributes = shown.description, shown.attributes
    check, draining = description.get("HealthCheck"), attributes["ConnectionDraining"]
    rows: dict[str, str | Text] = {
        "scheme": description["Scheme"],
        "subnets": ", ".join(description.get("Subnets", ())),
        "security": ", ".join(description.get("SecurityGroups", ())),
        "checks": f"{check['Target']} every {check['Interval']} s" if check else "not configured",
        "idle timeout": f"{attributes['ConnectionSettings']['IdleTimeout']} s",
        "back ends": "; ".join(
            f"port {one['InstancePort']}: {', '.join(one['PolicyNames'])}"
            for one in description["BackendServerDescriptions"]
        ),
        "cross-zone": _switch(attributes["CrossZoneLoadBalancing"]),
        "draining": _switch(draining) + (f", {draining['Timeout']} s" if draining["Enabled"] else ""),
        "access log": _switch(attributes["AccessLog"]),
        "tags": ", ".join(f"{tag['Key']}={tag.get('Value', '')}" for tag in shown.tags),
    }
    return {name: value for name, value in rows.items() if value}


def _listeners(shown: load_balancers.Shown) -> table.Table:
    made = _table("", "listener", "certificate", "policies", "answers at")
    answers = load_balancers.addresses(shown.state)
    for one in shown.description["ListenerDescriptions"]:
        listener = one["Listener"]
        made.add_row(
            _listener(listener),
            listener.get("SSLCertificateId", "").rpartition("/")[2],
            ", ".join(one["PolicyNames"]),
            "\n".join(f"{at['address']}:{at['port']}" for at in answers if at["port"] == listener["LoadBalancerPort"])
            or Text("nowhere yet", style="yellow"),
        )
    return made


def _listener(listener: aws.Answer) -> str:
    back = listener.get("InstanceProtocol") or listener["Protocol"]
    return f"{listener['Protocol']} {listener['LoadBalancerPort']} to {back} {listener['InstancePort']}"


def _state(backend: store.Backend) -> aws.Answer:
    return {
        "InstanceId": f"{backend.instance_id} at {backend.address}",
        "State": backend.state.value,
        "ReasonCode": backend.reason_code,
        "Description": backend.description,
    }


def _switch(setting: aws.Answer) -> str:
    return "on" if setting["Enabled"] else "off"


def _table(title: str, *columns: str) -> table.Table:
    made = table.Table(title=title or None, title_justify="left", box=box.SIMPLE)
    for name in columns:
        made.add_column(name, overflow="fold", no_wrap=name in _WHOLE)
    return made
