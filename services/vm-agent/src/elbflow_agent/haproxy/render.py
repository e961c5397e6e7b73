"""The model as configuration text for HAProxy 2.6 or later (spec/vm-agent-data-plane 3.4).

The text carries a version tag in ``description``: the hash of everything but the servers. Two models with equal tags
differ only in what the runtime API can change, so a different tag is the one reason to reload.
"""

from __future__ import annotations

import hashlib

from elbflow_agent.haproxy import (
    cookies,
    desync,
    forwarded,
    hops,
    logs,
    model,
    place,
    queues,
    safe,
    tls_words,
    trust_words,
)

_CONNECT_S = 5
_LONGEST_REQUEST_HEADER_S = 60
_LONGEST_QUEUE_S = 60
_MOST_HEADERS = 512
"""HAProxy's own limit of 101 turns away requests, and answers of servers, that other load balancers pass on."""


def tag(wanted: model.Model, where: place.Place, limits: place.Limits) -> str:
    """Version tag of the part of the configuration that needs a reload."""
    text = _text(wanted.without_servers(), where, limits, "none")
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def render(wanted: model.Model, where: place.Place, limits: place.Limits, version: str | None = None) -> str:
    """The complete configuration; ``version`` is its :func:`tag`, if that is known already."""
    return _text(wanted, where, limits, tag(wanted, where, limits) if version is None else version)


def server_options(listener: model.Listener) -> str:
    """Options that every server of the listener's back end carries, also when added at run time."""
    words = []
    if listener.tls_to_servers:
        words.append(trust_words.server_words(listener))
    if listener.proxy_protocol:
        words.append("send-proxy")
    words += queues.server_words(listener)
    return " ".join(words)


def _text(wanted: model.Model, where: place.Place, limits: place.Limits, version: str) -> str:
    settings = logs.block(
        (*logs.global_lines(wanted.logging), *tls_words.global_lines(wanted), *trust_words.global_lines(wanted, where))
    )
    head = _global(where, limits, version) + settings + _more_addresses(wanted)
    blocks = [head, _defaults(wanted, where), _local(where)]
    for listener in wanted.listeners:
        blocks.append(_frontend(wanted, listener, where))
        blocks.append(_backend(listener, where))
    return "\n\n".join(blocks) + "\n"


def _global(where: place.Place, limits: place.Limits, version: str) -> str:
    # HAProxy's own HTTP client is not used here; verifying, it would load the system's certificates at every start,
    # check and reload, which takes three quarters of their time. Profiling would start by itself under load. With few
    # events at a time, what a request needs is still in the processor's cache at its next step.
    return f"""# written by elbflow-agent; changes are overwritten
global
    description {safe.tag(version)}
    nbthread 1
    maxconn {limits.max_connections}
    hard-stop-after {limits.backstop_s}s
    httpclient.ssl.verify none
    profiling.tasks off
    tune.maxpollevents 32
    tune.http.maxhdr {_MOST_HEADERS}
    stats socket unix@{safe.path(str(where.admin_socket))} mode 600 level admin expose-fd listeners"""


def _more_addresses(wanted: model.Model) -> str:
    """For those who read the file back; while there are no listeners, it says so nowhere else."""
    return "".join(f"\n    # listens on {address}" for address in wanted.more_addresses)


def _defaults(wanted: model.Model, where: place.Place) -> str:
    idle_s = wanted.idle_timeout_s
    # A connection that browsers opened in advance ends without a 408, which would answer a request just sent on it.
    # Redispatch at every retry: a dead server costs no turn-around delay while another one lives.
    common = f"""    option redispatch 1
    retries 3
    timeout connect {_CONNECT_S}s
    timeout queue {min(idle_s, _LONGEST_QUEUE_S)}s
    timeout client {idle_s}s
    timeout server {idle_s}s
    timeout tunnel {idle_s}s"""
    return f"""defaults d-http
    mode http{logs.block(logs.defaults_lines(wanted.logging))}
{common}
    timeout http-request {min(idle_s, _LONGEST_REQUEST_HEADER_S)}s
    timeout http-keep-alive {idle_s}s
    option idle-close-on-response
    option http-ignore-probes
    option disable-h2-upgrade
    http-reuse safe
    errorfile 503 {safe.path(str(where.error_503))}

defaults d-tcp
    mode tcp{logs.block(logs.defaults_lines(wanted.logging))}
{common}"""


def _local(where: place.Place) -> str:
    """A frontend that always exists, because HAProxy refuses to run without any."""
    return f"""frontend local from d-http
    bind unix@{safe.path(str(where.stats_socket))} mode 600
    no log
    http-request use-service prometheus-exporter if {{ path /metrics }}
    http-request return status 404"""


def _frontend(wanted: model.Model, listener: model.Listener, where: place.Place) -> str:
    words = tls_words.bind_words(listener, where)
    lines = [
        f"frontend {listener.frontend} from d-{listener.mode}",
        *(f"    bind {safe.endpoint(address, listener.port)}{words}" for address in wanted.addresses),
        # The agent's own connect probes come from these addresses and must not reach a back end or a counter.
        f"    tcp-request connection reject if {{ src {' '.join(wanted.addresses)} }}",
    ]
    lines += [f"    {line}" for line in tls_words.frontend_lines(listener)]
    rules = _http_rules if listener.mode is model.Mode.HTTP else _tcp_rules
    lines += [f"    {line}" for line in rules(wanted, listener)]
    lines.append(f"    default_backend {listener.backend}")
    return "\n".join(lines)


def _tcp_rules(wanted: model.Model, listener: model.Listener) -> list[str]:
    port, tls = listener.port, listener.tls is not None
    return [*logs.frontend_lines(listener.mode, wanted.logging, port, tls=tls)]


def _http_rules(wanted: model.Model, listener: model.Listener) -> list[str]:
    port, tls = listener.port, listener.tls is not None
    long_texts = logs.long_text_lines(wanted.logging)
    # What is refused is logged whole too; no rule after it sees it.
    refuses_first = wanted.desync is model.Desync.STRICTEST
    return [
        *forwarded.beginning(),
        *logs.frontend_lines(listener.mode, wanted.logging, port, tls=tls),
        *logs.answer_lines(wanted.logging, desync.IS_ODD),
        *(long_texts if refuses_first else ()),
        *desync.first_lines(wanted.desync),
        *forwarded.common(port, tls=tls, others="" if refuses_first else logs.fits(wanted.logging)),
        *(() if refuses_first else long_texts),
        *logs.seldom_lines(wanted.logging),
        *hops.lines(),
        *desync.seldom_lines(wanted.desync),
        *forwarded.ending(port, tls=tls),
    ]


def _backend(listener: model.Listener, where: place.Place) -> str:
    balance = "leastconn" if listener.mode is model.Mode.HTTP else "roundrobin"
    lines = [f"backend {listener.backend} from d-{listener.mode}", f"    balance {balance}"]
    rules = (*trust_words.backend_lines(listener), *queues.backend_lines(listener), *cookies.rules(listener, where))
    lines += [f"    {line}" for line in rules]
    options = server_options(listener)
    # Options cannot be changed at run time; the comment makes them part of the version even without servers.
    lines.append(f"    # server options: {options or 'none'}")
    in_service = f" {options}" if options else ""
    ready, others = model.Admin.READY, f"{in_service} disabled"
    lines += [
        f"    server {each.name} {each.address}:{each.port}{in_service if each.admin is ready else others}"
        for each in listener.servers
    ]
    return "\n".join(lines)
