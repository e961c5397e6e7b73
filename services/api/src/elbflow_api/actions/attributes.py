"""DescribeLoadBalancerAttributes and ModifyLoadBalancerAttributes (spec/elb-control-plane 1.8)."""

from __future__ import annotations

from dataclasses import replace

from elbflow import errors
from elbflow.contract import document, workflows
from elbflow_api import faults, mutation, query
from elbflow_api.dependencies import Call, Dependencies, active

_DESYNC_MODE = "elb.http.desyncmitigationmode"
_DESYNC_VALUE = "defensive"
"""AWS's default, and the only mode here: HAProxy itself refuses ambiguous requests."""

_DRAINING_TIMEOUTS_S = range(1, 3601)


async def describe_load_balancer_attributes(call: Call, room: Dependencies) -> query.Response:
    """The attributes in force, or about to be: those the workflows stored."""
    async with room.db.reading() as tx:
        lb = await active(tx, call.key)
    return {"LoadBalancerAttributes": _shown(lb.attributes)}


async def modify_load_balancer_attributes(call: Call, room: Dependencies) -> query.Response:
    """Change the given attributes, keep the others, wait until they are stored; answers all of them.

    Requests for one load balancer come one after the other: each starts from what the one before stored.
    """
    given = call.params.structure("LoadBalancerAttributes")
    if given is None:
        raise errors.Defect("the model requires LoadBalancerAttributes")
    _merged(document.Attributes(), given)
    async with mutation.settled(workflows.MODIFY_ATTRIBUTES, call, room, concerns=lambda _: True) as (tx, lb):
        attributes = _merged(lb.attributes, given)
        answer: query.Response = {"LoadBalancerName": lb.key.name, "LoadBalancerAttributes": _shown(attributes)}
        if attributes == lb.attributes:
            return answer
        value = workflows.AttributesInput(lb.key, attributes)
        written = await mutation.order(
            tx, lb, workflows.MODIFY_ATTRIBUTES, "modify-attributes", value, room, push=False
        )
    await mutation.carry_out(workflows.MODIFY_ATTRIBUTES, written, call, room)
    return answer


def _merged(present: document.Attributes, given: query.Params) -> document.Attributes:
    """``present`` with the given attributes; raises for what is not possible."""
    _check_additional(given)
    if (log := given.structure("AccessLog")) and log.flag("Enabled"):
        raise faults.invalid_configuration("Access logs are not available: this service stores none yet")
    if cross_zone := given.structure("CrossZoneLoadBalancing"):
        present = replace(present, cross_zone=cross_zone.flag("Enabled"))
    if connection := given.structure("ConnectionSettings"):
        present = replace(present, idle_timeout_s=connection.integer("IdleTimeout"))
    if draining := given.structure("ConnectionDraining"):
        timeout_s = draining.optional_integer("Timeout")
        if timeout_s is None:
            timeout_s = document.Attributes().draining_timeout_s
        if timeout_s not in _DRAINING_TIMEOUTS_S:
            raise query.validation_error("ConnectionDraining timeout must be between 1 and 3600 seconds")
        present = replace(present, draining_enabled=draining.flag("Enabled"), draining_timeout_s=timeout_s)
    return present


def _check_additional(given: query.Params) -> None:
    for one in given.structures("AdditionalAttributes"):
        key, value = one.optional_text("Key"), one.optional_text("Value")
        if key != _DESYNC_MODE:
            raise query.modelled("LoadBalancerAttributeNotFoundException", f"There is no attribute {key}")
        if value != _DESYNC_VALUE:
            raise faults.invalid_configuration(f"{_DESYNC_MODE} can only be {_DESYNC_VALUE}")


def _shown(attributes: document.Attributes) -> dict[str, query.Value]:
    return {
        "CrossZoneLoadBalancing": {"Enabled": attributes.cross_zone},
        "AccessLog": {"Enabled": attributes.access_log_enabled},
        "ConnectionDraining": {"Enabled": attributes.draining_enabled, "Timeout": attributes.draining_timeout_s},
        "ConnectionSettings": {"IdleTimeout": attributes.idle_timeout_s},
        "AdditionalAttributes": [{"Key": _DESYNC_MODE, "Value": _DESYNC_VALUE}],
    }
