"""Models, and documents whose every text may be hostile."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from elbflow.contract import document
from elbflow_agent.haproxy import model

NAMES = [f"i-{number:08x}" for number in range(6)]
PORTS = [80, 81, 443, 8080]

HOSTILE = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "i-1\n    server evil 6.6.6.6:80",
            "x\r\nbind *:1",
            "a b",
            'quo"te',
            "apo'strophe",
            "back\\slash",
            "#comment",
            "${HOME}",
            "%[src]",
            "i-1;shutdown sessions",
            "\x00",
            "i-1 disabled",
            "",
        ]
    ),
)


@st.composite
def models(draw: st.DrawFn) -> model.Model:
    listeners = []
    for port in sorted(draw(st.sets(st.sampled_from(PORTS), max_size=3))):
        names = sorted(draw(st.sets(st.sampled_from(NAMES), max_size=5)))
        servers = tuple(
            model.Server(
                name,
                draw(st.sampled_from(["10.0.0.1", "10.0.0.2"])),
                draw(st.sampled_from([8000, 9000])),
                draw(st.sampled_from([model.Admin.READY, model.Admin.MAINT])),
            )
            for name in names
        )
        mode = draw(st.sampled_from(model.Mode))
        sticky = mode is model.Mode.HTTP and draw(st.booleans())
        listeners.append(
            model.Listener(
                port,
                mode,
                draw(st.booleans()),
                draw(st.booleans()),
                model.Stickiness("ab" * 16, draw(st.sampled_from([None, 60]))) if sticky else None,
                servers,
            )
        )
    return model.Model("127.0.0.1", draw(st.sampled_from([30, 60])), tuple(listeners))


_TLS = st.builds(
    model.Tls,
    oldest=st.sampled_from([model.TlsVersion.V1_0, model.TlsVersion.V1_2]),
    newest=st.sampled_from([model.TlsVersion.V1_2, model.TlsVersion.V1_3]),
    ciphers=st.sampled_from([("ECDHE-RSA-AES128-GCM-SHA256",), ("AES128-SHA", "ECDHE-RSA-AES256-GCM-SHA384")]),
    server_order=st.booleans(),
    legacy=st.booleans(),
)
_STICKINESS = st.one_of(
    st.none(),
    st.builds(model.Stickiness, st.just("ab" * 16), st.one_of(st.none(), st.integers(1, 2_147_483))),
    st.builds(model.AppStickiness, st.just("cd" * 16), st.text("abzAZ019_.+-", min_size=1, max_size=12)),
)
_LEAVES = st.sets(st.sampled_from(["AB" * 20, "CD" * 20]))


@st.composite
def whole_models(draw: st.DrawFn) -> model.Model:
    """Models with everything that a model may have."""
    base = draw(models())
    listeners = []
    for each in base.listeners:
        http = each.mode is model.Mode.HTTP
        tls = draw(st.one_of(st.none(), _TLS))
        anchors = tuple(model.Anchor(leaf) for leaf in sorted(draw(_LEAVES)))
        listeners.append(
            dataclasses.replace(
                each,
                stickiness=draw(_STICKINESS) if http else None,
                tls=tls,
                certificate=model.Certificate("ab" * 32, "AB" * 20) if tls is not None else None,
                anchors=anchors if each.tls_to_servers and draw(st.booleans()) else None,
                server_connections=draw(st.sampled_from([0, 1, 1_000_000])),
            )
        )
    speaks_http = any(each.mode is model.Mode.HTTP for each in listeners)
    desync = draw(st.sampled_from(model.Desync)) if speaks_http else model.Desync.DEFENSIVE
    more = tuple(draw(st.lists(st.sampled_from(["::1", "fd00::1:2", "127.0.0.2"]), max_size=2, unique=True)))
    return dataclasses.replace(base, listeners=tuple(listeners), desync=desync, more_addresses=more)


@st.composite
def memberships(draw: st.DrawFn, base: model.Model) -> model.Model:
    """``base`` with any other servers."""
    others = draw(models())
    pool = [each.servers for each in others.listeners] or [()]
    return dataclasses.replace(
        base,
        listeners=tuple(dataclasses.replace(each, servers=draw(st.sampled_from(pool))) for each in base.listeners),
    )


_ID = st.one_of(st.sampled_from(NAMES), HOSTILE)
_ADDRESS = st.one_of(st.sampled_from(["10.0.0.1", "10.0.0.2", "::1", "10.0.0.1:80"]), HOSTILE)
_PORT = st.one_of(st.sampled_from(PORTS), st.integers(-5, 70000))
_POLICY_TYPE = st.one_of(
    st.sampled_from(
        [
            "LBCookieStickinessPolicyType",
            "AppCookieStickinessPolicyType",
            "ProxyProtocolPolicyType",
            "PublicKeyPolicyType",
        ]
    ),
    HOSTILE,
)
_ATTRIBUTE = st.tuples(
    st.one_of(st.sampled_from(["CookieName", "CookieExpirationPeriod", "ProxyProtocol"]), HOSTILE),
    st.one_of(st.sampled_from(["60", "true", "0", "-1", "٣"]), HOSTILE),
)
_POLICY_NAME = st.one_of(st.sampled_from(["p", "q"]), HOSTILE)


@st.composite
def hostile_documents(draw: st.DrawFn) -> document.LoadBalancerDocument:
    names = st.lists(_POLICY_NAME, max_size=2).map(tuple)
    listener = st.builds(
        document.Listener,
        protocol=st.sampled_from(document.Protocol),
        port=_PORT,
        instance_protocol=st.sampled_from(document.Protocol),
        instance_port=_PORT,
        certificate_arn=HOSTILE,
        policy_names=names,
    )
    policy = st.builds(
        document.Policy,
        name=_POLICY_NAME,
        type_name=_POLICY_TYPE,
        attributes=st.lists(_ATTRIBUTE, max_size=2).map(tuple),
    )
    return document.LoadBalancerDocument(
        key=document.LoadBalancerKey(draw(HOSTILE), draw(HOSTILE)),
        generation=1,
        zone=draw(HOSTILE),
        listeners=tuple(draw(st.lists(listener, max_size=4))),
        backends=tuple(
            draw(st.lists(st.builds(document.BackendInstance, instance_id=_ID, address=_ADDRESS), max_size=5))
        ),
        policies=tuple(draw(st.lists(policy, max_size=3))),
        backend_policies=tuple(
            draw(
                st.lists(st.builds(document.BackendServerPolicies, instance_port=_PORT, policy_names=names), max_size=2)
            )
        ),
        attributes=document.Attributes(idle_timeout_s=draw(st.integers(-10, 10**9))),
    )
