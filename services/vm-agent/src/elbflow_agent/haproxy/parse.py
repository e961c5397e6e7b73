"""The model back from its configuration text: what a file on disk says it serves (spec/vm-agent-data-plane REQ-3.3).

It reads what :mod:`elbflow_agent.haproxy.render` writes and nothing else: for every model ``parse(render(model))`` is
the model, so nothing of it is lost in the text, and nothing in the text stands for two things. The text of anchors is
in files of their own and stays there.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence

from elbflow import errors
from elbflow_agent.haproxy import cookies, desync, logs, model, safe

_BIND = re.compile(r"bind (?P<endpoint>[0-9.]+:\d+|\[[0-9a-f:.]+\]:\d+)(?: ssl crt \S+(?P<words>.*))?")
_OWN_COOKIE = re.compile(rf"cookie {cookies.COOKIE} insert .* dynamic(?: maxlife (?P<life>\d+)s)?")
_APP_COOKIE = re.compile(rf".* req\.cook\({cookies.COOKIE}\) if \{{ req\.cook\((?P<name>[^)]+)\) -m found \}}")
_APP_KEY = re.compile(r".* srv_name,hmac\(sha256,(?P<key>[^)]+)\),.*")
_SERVER = re.compile(r"server (?P<name>\S+) (?P<address>[0-9.]+):(?P<port>\d+)(?P<words>.*)")
_LEGACY = "@SECLEVEL=0"


class Unreadable(errors.Permanent):
    """The text is not one that the agent writes now."""


def parse(text: str, address: str) -> model.Model:
    """The model that was rendered for ``address``; raises :class:`Unreadable`."""
    try:
        return _model(dict(_sections(text)), text, address)
    except (KeyError, ValueError, IndexError) as error:
        raise Unreadable(f"not a configuration of this agent: {error}") from error


def _model(sections: dict[str, list[str]], text: str, address: str) -> model.Model:
    names = [name for name in sections if model.port_of(name) is not None and name.startswith("fe-")]
    more = tuple(_after("# listens on ", sections["global"]))
    listeners = tuple(
        _listener(model.port_of(name) or 0, sections[name], sections[name.replace("fe-", "be-")], (address, *more))
        for name in names
    )
    idle_s = int(_after("timeout client ", sections["d-http"])[0].removesuffix("s"))
    http = [sections[each.frontend] for each in listeners if each.mode is model.Mode.HTTP]
    return model.Model(address, idle_s, listeners, logs.logging_of(text), _desync(http), more)


def _sections(text: str) -> Iterator[tuple[str, list[str]]]:
    for block in text.split("\n\n"):
        head, *lines = [line.strip() for line in block.splitlines() if not line.startswith("#")]
        kind, *name = head.split()
        # The words of the first line are the section's as well: they say which defaults it has.
        yield (name[0] if name else kind), [head, *lines]


def _listener(port: int, front: Sequence[str], back: Sequence[str], addresses: Sequence[str]) -> model.Listener:
    binds = [_match(_BIND, [line]) for line in front if line.startswith("bind ")]
    bind = binds[0]
    if [each["endpoint"] for each in binds] != [safe.endpoint(address, port) for address in addresses]:
        raise ValueError(f"{bind[0]!r} in the frontend of port {port}")
    if len({each["words"] for each in binds}) != 1:
        raise ValueError(f"the addresses of port {port} are not served alike")
    options = _after("# server options: ", back)[0]
    words = [] if options == "none" else options.split()
    trusts = "required" in words
    connections = int(words[words.index("maxconn") + 1]) if "maxconn" in words else 0
    return model.Listener(
        port=port,
        mode=model.Mode(front[0].rpartition("d-")[2]),
        tls_to_servers="ssl" in words,
        proxy_protocol="send-proxy" in words,
        stickiness=_stickiness(back),
        servers=tuple(
            _server(line, "" if options == "none" else options) for line in back if line.startswith("server ")
        ),
        tls=_tls(bind["words"].split()) if bind["words"] is not None else None,
        certificate=_certificate(front),
        anchors=tuple(model.Anchor(leaf) for leaf in _after("# anchor ", back)) if trusts else None,
        server_connections=connections,
    )


def _server(line: str, options: str) -> model.Server:
    found = _match(_SERVER, [line])
    words = found["words"].strip()
    is_out = words.endswith("disabled")
    if words.removesuffix("disabled").strip() != options:
        raise ValueError(f"server {found['name']} has options of its own")
    admin = model.Admin.MAINT if is_out else model.Admin.READY
    return model.Server(found["name"], found["address"], int(found["port"]), admin)


def _stickiness(back: Sequence[str]) -> model.Stickiness | model.AppStickiness | None:
    for line in back:
        if own := _OWN_COOKIE.fullmatch(line):
            life = int(own["life"]) if own["life"] is not None else None
            return model.Stickiness(_after("dynamic-cookie-key ", back)[0], life)
        if followed := _APP_COOKIE.fullmatch(line):
            key = base64.b64decode(_match(_APP_KEY, back)["key"]).decode()
            return model.AppStickiness(key, followed["name"])
    return None


def _tls(words: Sequence[str]) -> model.Tls:
    def value(name: str) -> str:
        return words[words.index(name) + 1]

    suites = value("ciphers").split(":")
    return model.Tls(
        oldest=model.TlsVersion(value("ssl-min-ver")),
        newest=model.TlsVersion(value("ssl-max-ver")),
        ciphers=tuple(suite for suite in suites if suite != _LEGACY),
        server_order="prefer-client-ciphers" not in words,
        legacy=_LEGACY in suites,
    )


def _certificate(front: Sequence[str]) -> model.Certificate | None:
    found = _after("# certificate ", front)
    return model.Certificate(*found[0].split()) if found else None


def _desync(frontends: Sequence[Sequence[str]]) -> model.Desync:
    """The strictest mode all of whose lines are there; without HTTP it makes no difference."""
    for mode in (model.Desync.STRICTEST, model.Desync.DEFENSIVE):
        if frontends and all(set(desync.frontend_lines(mode)) <= set(lines) for lines in frontends):
            return mode
    return model.Desync.MONITOR if frontends else model.Desync.DEFENSIVE


def _after(prefix: str, lines: Sequence[str]) -> list[str]:
    return [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]


def _match(pattern: re.Pattern[str], lines: Sequence[str]) -> re.Match[str]:
    for line in lines:
        if found := pattern.fullmatch(line):
            return found
    raise ValueError(f"no line reads {pattern.pattern!r}")
