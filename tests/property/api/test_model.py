"""Any course of calls, also of calls made at once, has the outcomes that some order of them has at the oracle."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
from botocore.exceptions import ClientError
from tests.integration import postgresql
from tests.integration.api.conftest import Elb
from tests.property.api import playground
from tests.property.api.oracle import DEFAULT_GROUP, OK, OTHER_GROUP, SUBNETS, ZONES, Oracle, Step

EXAMPLES = max(8, hypothesis.settings().max_examples // 4)
ON_POSTGRESQL = max(8, EXAMPLES // 3)
"""The oracle is asked in full on SQLite; here it is the transactions of the other database that are looked at."""
NAMES = st.sampled_from(["web", "WEB", "api"])
PORTS = st.sampled_from([80, 81])
LISTENERS = st.builds(
    lambda protocol, port, back: {"Protocol": protocol, "LoadBalancerPort": port, "InstancePort": back},
    st.sampled_from(["HTTP", "TCP"]),
    PORTS,
    st.sampled_from([8000, 8001]),
)
SOME_LISTENERS = st.lists(LISTENERS, min_size=1, max_size=2, unique_by=lambda one: one["LoadBalancerPort"])
SOME_ZONES = st.lists(st.sampled_from(ZONES), min_size=1, max_size=2, unique=True)
INSTANCES = st.lists(
    st.sampled_from(["10.0.0.1", "10.0.0.2"]).map(lambda one: {"InstanceId": one}),
    min_size=1,
    max_size=2,
    unique_by=lambda one: one["InstanceId"],
)
TAGS = st.lists(
    st.builds(lambda key, value: {"Key": key, "Value": value}, st.sampled_from("ab"), st.sampled_from("12")),
    min_size=1,
    max_size=2,
    unique_by=lambda tag: tag["Key"],
)
SOME_SUBNETS = st.lists(st.sampled_from(sorted(SUBNETS)), min_size=1, max_size=2, unique=True)
GROUPS = st.lists(st.sampled_from([DEFAULT_GROUP, OTHER_GROUP]), min_size=1, max_size=2, unique=True)
CHECK = {"Interval": 30, "Timeout": 5, "UnhealthyThreshold": 2, "HealthyThreshold": 2}
POLICIES = st.sampled_from(["p", "q"])
ATTRIBUTES = st.sampled_from(
    [
        {"ConnectionSettings": {"IdleTimeout": 5}},
        {"ConnectionSettings": {"IdleTimeout": 600}, "CrossZoneLoadBalancing": {"Enabled": True}},
        {"CrossZoneLoadBalancing": {"Enabled": False}},
        {"ConnectionDraining": {"Enabled": True, "Timeout": 20}},
        {"ConnectionDraining": {"Enabled": False}},
    ]
)


def _steps(operation: str, **parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    given = st.fixed_dictionaries({"LoadBalancerName": NAMES, **parts})
    return st.builds(Step, st.just(operation), given)


def _tagging(operation: str, tags: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    given = st.fixed_dictionaries({"LoadBalancerNames": NAMES.map(lambda name: [name]), "Tags": tags})
    return st.builds(Step, st.just(operation), given)


SIMPLE = st.just([{"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8000}])
CREATE = st.one_of(
    _steps("create_load_balancer", Listeners=SOME_LISTENERS, AvailabilityZones=SOME_ZONES, Tags=TAGS),
    # Often the same again, so that repeated creations happen too.
    _steps("create_load_balancer", Listeners=SIMPLE, AvailabilityZones=st.just(["local-1a"])),
    _steps("create_load_balancer", Listeners=SIMPLE, Subnets=SOME_SUBNETS),
    _steps("create_load_balancer", Listeners=SIMPLE, Subnets=SOME_SUBNETS, SecurityGroups=GROUPS),
)
CHANGES = st.one_of(
    CREATE,
    _steps("delete_load_balancer"),
    _steps("create_load_balancer_listeners", Listeners=SOME_LISTENERS),
    _steps("delete_load_balancer_listeners", LoadBalancerPorts=st.lists(PORTS, min_size=1, max_size=2)),
    _steps("enable_availability_zones_for_load_balancer", AvailabilityZones=SOME_ZONES),
    _steps("disable_availability_zones_for_load_balancer", AvailabilityZones=SOME_ZONES),
    _steps("register_instances_with_load_balancer", Instances=INSTANCES),
    _steps("deregister_instances_from_load_balancer", Instances=INSTANCES),
    _steps(
        "configure_health_check",
        HealthCheck=st.sampled_from([CHECK | {"Target": "TCP:1"}, CHECK | {"Target": "HTTP:2/x"}]),
    ),
    _steps("create_lb_cookie_stickiness_policy", PolicyName=POLICIES, CookieExpirationPeriod=st.sampled_from([1, 2])),
    _steps(
        "set_load_balancer_policies_of_listener",
        LoadBalancerPort=PORTS,
        PolicyNames=st.lists(POLICIES, max_size=2, unique=True),
    ),
    _steps(
        "create_load_balancer_policy",
        PolicyName=POLICIES,
        PolicyTypeName=st.just("ProxyProtocolPolicyType"),
        PolicyAttributes=st.just([{"AttributeName": "ProxyProtocol", "AttributeValue": "true"}]),
    ),
    _steps(
        "set_load_balancer_policies_for_backend_server",
        InstancePort=st.sampled_from([8000, 8001]),
        PolicyNames=st.lists(POLICIES, max_size=2, unique=True),
    ),
    _steps("delete_load_balancer_policy", PolicyName=POLICIES),
    _steps("attach_load_balancer_to_subnets", Subnets=SOME_SUBNETS),
    _steps("detach_load_balancer_from_subnets", Subnets=SOME_SUBNETS),
    _steps("apply_security_groups_to_load_balancer", SecurityGroups=GROUPS),
    _steps("modify_load_balancer_attributes", LoadBalancerAttributes=ATTRIBUTES),
    _tagging("add_tags", TAGS),
    _tagging("remove_tags", st.lists(st.sampled_from("ab").map(lambda key: {"Key": key}), min_size=1, max_size=2)),
)
AT_ONCE = st.tuples(CHANGES) | st.tuples(CHANGES, CHANGES) | st.tuples(CHANGES, CHANGES, CHANGES)
"""One call, or up to three at the same time."""

COURSES = st.builds(lambda first, rest: [(first,), *rest], CREATE, st.lists(AT_ONCE, max_size=7))


class Course:
    """Follows the real service, and every oracle that could have answered as it did."""

    def __init__(self, elb: Elb) -> None:
        self._elb = elb
        self._possible = [Oracle()]

    async def go(self, steps: Sequence[Step]) -> None:
        """Make the calls at once."""
        answers = await asyncio.gather(*(self._call(step) for step in steps))
        self._keep(
            (
                oracle
                for possible in self._possible
                for order in itertools.permutations(range(len(steps)))
                for oracle, expected in [_told(possible, steps, order)]
                if expected == answers
            ),
            f"{steps} were answered {answers}, which no order of them explains",
        )
        seen = await self._view()
        self._keep((one for one in self._possible if one.view() == seen), f"after {steps} there is {seen}")

    def _keep(self, oracles: Iterable[Oracle], complaint: str) -> None:
        left = list(oracles)
        assert left, f"{complaint}; possible was {[one.view() for one in self._possible]}"
        self._possible = [one for number, one in enumerate(left) if one not in left[:number]]

    async def _call(self, step: Step) -> str:
        try:
            await getattr(self._elb, step.operation)(**step.given)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return OK

    async def _view(self) -> dict[str, Any]:
        found = (await self._elb.describe_load_balancers())["LoadBalancerDescriptions"]
        return {one["LoadBalancerName"].lower(): await self._one(one) for one in found}

    async def _one(self, shown: dict[str, Any]) -> dict[str, Any]:
        name = shown["LoadBalancerName"]
        attributes, tags = await asyncio.gather(
            self._elb.describe_load_balancer_attributes(LoadBalancerName=name),
            self._elb.describe_tags(LoadBalancerNames=[name]),
        )
        return _in_words(shown, attributes["LoadBalancerAttributes"], tags["TagDescriptions"][0]["Tags"])


def _in_words(shown: dict[str, Any], attributes: dict[str, Any], tags: list[dict[str, str]]) -> dict[str, Any]:
    """What the API shows, in the oracle's words."""
    draining = attributes["ConnectionDraining"]
    listeners = {}
    for one in shown["ListenerDescriptions"]:
        listener, names = one["Listener"], tuple(sorted(one["PolicyNames"]))
        listeners[listener["LoadBalancerPort"]] = (listener["Protocol"], listener["InstancePort"], names)
    cookies = {
        one["PolicyName"]: one["CookieExpirationPeriod"] for one in shown["Policies"]["LBCookieStickinessPolicies"]
    }
    behind = {one["InstancePort"]: tuple(sorted(one["PolicyNames"])) for one in shown["BackendServerDescriptions"]}
    return {
        "name": shown["LoadBalancerName"],
        "listeners": listeners,
        "zones": set(shown["AvailabilityZones"]),
        "tags": {tag["Key"]: tag.get("Value", "") for tag in tags},
        "subnets": set(shown["Subnets"]),
        "groups": tuple(shown["SecurityGroups"]),
        "policies": cookies | dict.fromkeys(shown["Policies"]["OtherPolicies"]),
        "behind": behind,
        "instances": {one["InstanceId"] for one in shown["Instances"]},
        "target": shown["HealthCheck"]["Target"],
        "idle_s": attributes["ConnectionSettings"]["IdleTimeout"],
        "cross_zone": attributes["CrossZoneLoadBalancing"]["Enabled"],
        "draining": (draining["Enabled"], draining["Timeout"]),
    }


def _told(oracle: Oracle, steps: Sequence[Step], order: Sequence[int]) -> tuple[Oracle, list[str]]:
    """The oracle after the steps in this order, and its answers in the order in which the steps were given."""
    answers: dict[int, str] = {}
    for number in order:
        oracle, answers[number] = oracle.step(steps[number])
    return oracle, [answers[number] for number in range(len(steps))]


@pytest.fixture(scope="module")
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[playground.Playground]:
    if request.param == "sqlite":
        with playground.opened(tmp_path_factory.mktemp("model")) as opened:
            yield opened
        return
    if not postgresql.is_installed():
        pytest.skip(postgresql.MISSING)
    with postgresql.running() as server, playground.opened(server) as opened:
        yield opened


# Courses are short, and to make one shorter takes minutes.
PHASES = [hypothesis.Phase.explicit, hypothesis.Phase.generate]


@pytest.mark.parametrize("ground", ["sqlite"], indirect=True)
@hypothesis.settings(max_examples=EXAMPLES, phases=PHASES)
@hypothesis.given(COURSES)
def test_any_course_of_calls_is_one_that_the_oracle_knows(
    ground: playground.Playground, course: list[tuple[Step, ...]]
) -> None:
    _follow(ground, course)


@pytest.mark.parametrize("ground", ["postgresql"], indirect=True)
@hypothesis.settings(max_examples=ON_POSTGRESQL, phases=PHASES)
@hypothesis.given(COURSES)
def test_so_it_is_on_postgresql(ground: playground.Playground, course: list[tuple[Step, ...]]) -> None:
    _follow(ground, course)


def _follow(ground: playground.Playground, course: list[tuple[Step, ...]]) -> None:
    followed = Course(ground.elb())

    async def walk() -> None:
        for steps in course:
            await followed.go(steps)

    ground.run(walk())
