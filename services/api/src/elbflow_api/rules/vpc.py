"""Subnets, security groups and schemes (spec/elb-control-plane 1.8 checks 12-18), in AWS's words where it has any."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from elbflow.contract import cloud, document
from elbflow_api import faults, query

INTERNAL = "internal"
INTERNET_FACING = "internet-facing"


def scheme(given: str | None, *, in_vpc: bool) -> str:
    """The scheme asked for; raises ``InvalidScheme``."""
    if given not in (None, INTERNAL, INTERNET_FACING) or (given == INTERNAL and not in_vpc):
        raise query.modelled(
            "InvalidSchemeException",
            "The specified value for the scheme is not valid. "
            "You can only specify a scheme for load balancers in a VPC.",
        )
    return given or INTERNET_FACING


def found_subnets(wanted: Iterable[str], known: Mapping[str, cloud.Subnet]) -> tuple[cloud.Subnet, ...]:
    """The subnets asked for, one in a zone; raises ``SubnetNotFound`` and ``InvalidConfigurationRequest``."""
    wanted = tuple(dict.fromkeys(wanted))
    if unknown := [one for one in wanted if one not in known]:
        raise query.modelled("SubnetNotFoundException", f"The subnet ID '{', '.join(unknown)}' does not exist")
    found = tuple(known[one] for one in wanted)
    if len({subnet.zone for subnet in found}) < len(found):
        raise faults.invalid_configuration("ELB cannot be attached to multiple subnets in the same AZ.")
    return found


def same_vpc(subnets: Sequence[cloud.Subnet]) -> str:
    """The VPC of the subnets, of which there is one at least."""
    vpcs = {subnet.vpc_id for subnet in subnets}
    if len(vpcs) > 1:
        raise faults.invalid_configuration("All subnets must belong to the same VPC")
    return vpcs.pop()


def require_internet_gateway(vpc: cloud.Vpc) -> None:
    if not vpc.internet_gateway:
        raise query.modelled("InvalidSubnetException", f"VPC {vpc.vpc_id} has no internet gateway")


def default_subnets(zones: Iterable[str], known: Mapping[str, cloud.Subnet], vpc_id: str) -> dict[str, str]:
    """The default subnet of each zone."""
    zones = tuple(zones)
    if missing := [zone for zone in zones if zone not in known]:
        raise faults.invalid_configuration(f"VPC {vpc_id} has no default subnet in {', '.join(missing)}")
    return {zone: known[zone].subnet_id for zone in zones}


def read_group_ids(given: Iterable[str], most: int) -> tuple[str, ...]:
    """The ids of the security groups asked for, each once, in order."""
    ids = tuple(sorted(set(given)))
    if len(ids) > most:
        raise faults.invalid_configuration(f"A Load Balancer cannot have more than {most} security groups")
    return ids


def found_groups(
    wanted: Iterable[str], known: Mapping[str, cloud.VpcGroup], vpc_id: str
) -> tuple[document.SecurityGroup, ...]:
    """The groups asked for; raises ``InvalidSecurityGroup`` for one that does not exist.

    ``InvalidConfigurationRequest`` for one of another VPC.
    """
    wanted = tuple(wanted)
    if any(one not in known for one in wanted):
        raise query.modelled(
            "InvalidSecurityGroupException", "One or more of the specified security groups do not exist."
        )
    if foreign := [one for one in wanted if known[one].vpc_id != vpc_id]:
        raise faults.invalid_configuration(f"Security groups {', '.join(foreign)} are not in VPC {vpc_id}")
    return tuple(known[one].group for one in wanted)


def require_vpc(vpc_id: str | None, what: str) -> str:
    """The VPC of a load balancer that must be in one for ``what``."""
    if vpc_id is None:
        raise faults.invalid_configuration(f"{what} only for a Load Balancer in a VPC")
    return vpc_id
