"""Whatever ARNs and SSL policies say, TLS listeners are bound by words of known forms, and each is accounted for."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.property.agent.strategies import HOSTILE

from elbflow.contract import document
from elbflow_agent.haproxy import ciphers, model, place, plan, render, tls

WHERE = place.Place(Path("/run/elbflow/vm"), Path("/dev/shm/elbflow-0-vm"))
CERTIFICATE = model.Certificate("ab" * 32, "AB" * 20)
BIND = re.compile(
    r"    bind 127\.0\.0\.1:(?P<port>\d+) ssl crt /dev/shm/elbflow-0-vm/(?P=port)\.pem( alpn http/1\.1)?"
    r" ssl-min-ver TLSv1\.[0-3] ssl-max-ver TLSv1\.[0-3] ciphers (?P<suites>[A-Z0-9:-]+)(:@SECLEVEL=0)?"
    r"( prefer-client-ciphers)?"
)
_NAME = st.one_of(st.sampled_from(["p", "q"]), HOSTILE)
_SWITCH = st.one_of(
    st.sampled_from(["Protocol-TLSv1", "Protocol-TLSv1.2", "Protocol-TLSv1.3", "Reference-Security-Policy"]),
    st.sampled_from(["AES128-SHA", "DHE-RSA-AES128-SHA", "ADH-AES128-SHA", "ALL", "@SECLEVEL=0", "AES128-SHA:aNULL"]),
    HOSTILE,
)
_POLICY = st.builds(
    document.Policy,
    name=_NAME,
    type_name=st.just(tls.NEGOTIATION),
    attributes=st.lists(st.tuples(_SWITCH, st.one_of(st.just("true"), HOSTILE)), max_size=6).map(tuple),
)
_LISTENER = st.builds(
    document.Listener,
    protocol=st.sampled_from([document.Protocol.HTTPS, document.Protocol.SSL]),
    port=st.integers(1, 65535),
    instance_protocol=st.sampled_from(document.Protocol),
    instance_port=st.just(80),
    certificate_arn=st.one_of(st.none(), HOSTILE),
    policy_names=st.lists(_NAME, max_size=1).map(tuple),
)


@given(listeners=st.lists(_LISTENER, max_size=4), policies=st.lists(_POLICY, max_size=2), remark=HOSTILE)
def test_tls_listeners(listeners: list[document.Listener], policies: list[document.Policy], remark: str) -> None:
    wanted = document.LoadBalancerDocument(
        document.LoadBalancerKey("000000000001", "web"),
        1,
        "z",
        listeners=tuple(listeners),
        policies=tuple(policies),
    )
    result = plan.plan(wanted, "127.0.0.1", lambda _: True, lambda arn, port: tls.Usable(CERTIFICATE, remark))
    lines = render.render(result.model, WHERE, place.Limits(1000, 60)).split("\n")
    bound = [line for line in lines if line.startswith("    bind 127")]
    assert len(bound) == len(result.model.listeners)
    for line in bound:
        found = BIND.fullmatch(line)
        assert found, line
        assert set(found["suites"].split(":")) <= ciphers.known()
    assert {each.port for each in listeners} == result.model.ports | {each.port for each in result.problems}
    assert result.model.without_servers().certificates == {}
