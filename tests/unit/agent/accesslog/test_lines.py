"""HAProxy's lines as AWS's, and the names of objects."""

from __future__ import annotations

import ipaddress
import random

import orjson
import pytest

from elbflow_agent.accesslog import lines, naming
from elbflow_agent.haproxy import logs

HTTP: dict[str, object] = {
    "kind": "H",
    "connect_ms": 1,
    "response_ms": 20,
    "status": 200,
    "ending": "--",
    "backend_queue": 0,
    "server_queue": 0,
    "accepted_at": 1431560383.945,
    "handshake_ms": 3,
    "wait_ms": 2,
    "client": "192.0.2.7",
    "client_port": "2817",
    "server": "10.0.0.1",
    "server_port": "80",
    "frontend": "fe-80",
    "received": 300,
    "sent": 700,
    "cipher": "-",
    "protocol": "-",
    "idle_ms": 10,
    "request_ms": 4,
    "method": "GET",
    "uri": "/",
    "version": "HTTP/1.1",
    "host": "www.example.com",
    "agent": "curl/7.38.0",
    "got": "-",
    "got_head": "-",
    "gave": "29",
    "gave_head": "-",
}
TCP = {name: HTTP[name] for name in logs.Tcp._fields} | {"kind": "T", "response_ms": -1, "status": -1}


def raw(fields: dict[str, object]) -> bytes:
    """As HAProxy writes it."""
    hexadecimal = {name: "-" if fields[name] == "-" else _hex(str(fields[name])) for name in ("client", "server")}
    if fields["kind"] == "T":
        return orjson.dumps([(fields | hexadecimal)[name] for name in logs.Tcp._fields])
    return (_numbers(fields | hexadecimal) + _texts(fields)).encode("ascii")


def _numbers(fields: dict[str, object]) -> str:
    names = ("connect_ms", "response_ms", "status", "ending", "backend_queue", "server_queue", "wait_ms", "request_ms")
    more = ("idle_ms", "accepted_at", "client", "client_port", "server", "server_port", "received", "sent")
    tls = ("handshake_ms", "cipher", "protocol") if str(fields["frontend"]).endswith("~") else ()
    listener = str(fields["frontend"]).removeprefix("fe-")
    return " ".join((f"[H{listener}", *(str(fields[name]) for name in (*names, *more, *tls))))


def _texts(fields: dict[str, object]) -> str:
    asked = "|".join(_escaped(fields[name], '"#{|}') for name in ("got", "host", "agent", "got_head"))
    answered = "|".join(_escaped(fields[name], '"#{|}') for name in ("gave", "gave_head"))
    known = fields["method"] != "-"
    first = " ".join(_escaped(fields[name], '"#') for name in ("method", "uri", "version")) if known else "<BADREQ>"
    return f" {{1|h||||{asked}}} {{{answered}}} {first}"


def _hex(address: str) -> str:
    return ipaddress.ip_address(address).packed.hex().upper()


def _escaped(value: object, special: str) -> str:
    text = "" if value == "-" else str(value)
    return "".join(f"#{ord(each):02X}" if each in special or not " " <= each <= "~" else each for each in text)


def line(**changed: object) -> str:
    converted = lines.convert(raw(HTTP | changed) + b"\n", "web")
    assert (converted.lines, converted.unreadable) == (1, 0)
    return converted.body.decode().removesuffix("\n")


def test_a_request_in_fifteen_fields() -> None:
    assert line() == (
        "2015-05-13T23:39:43.955000Z web 192.0.2.7:2817 10.0.0.1:80 0.007000 0.020000 0.000000 200 200 0 29 "
        '"GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -'
    )


def test_a_request_over_tls() -> None:
    secure = line(frontend="fe-443~", protocol="TLSv1.2", cipher="ECDHE-RSA-AES128-GCM-SHA256", host="example.com:443")
    assert secure.startswith("2015-05-13T23:39:43.958000Z web 192.0.2.7:2817 10.0.0.1:80 0.007000 "), (
        "after the handshake"
    )
    assert secure.endswith('"GET https://example.com:443/ HTTP/1.1" "curl/7.38.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2')


def test_a_line_of_an_earlier_build_that_still_drains() -> None:
    former = (
        b'["H",1,20,200,"--",0,0,1431560383.945,3,2,"C0000207","2817","0A000001","80","fe-80",300,700,"-","-",10,4] '
        b"{1|h||||www.example.com|curl/7.38.0|} {29|} GET / HTTP/1.1"
    )
    assert lines.convert(former, "web").body.decode() == line().replace("43.955", "43.958") + "\n"
    assert logs.short(former) == logs.Short("H", 1, 20, 200, "--", 0, 0, "fe-80")


def test_the_beginning_of_a_line_is_enough_to_measure() -> None:
    written = raw(HTTP | {"frontend": "fe-443~", "server_queue": 4})
    assert logs.short(written) == logs.Short("H", 1, 20, 200, "--", 0, 4, "fe-443~")
    assert logs.short(written[:30]) == logs.short(written)
    assert logs.short(written[:20]) is None
    assert logs.short(written.replace(b" 200 ", b" 2x0 ")) is None
    assert not logs.is_short(written)


def test_a_connection() -> None:
    converted = lines.convert(raw(TCP) + b"\n", "web")
    assert converted.body.decode() == (
        '2015-05-13T23:39:43.945000Z web 192.0.2.7:2817 10.0.0.1:80 0.006000 -1 -1 - - 300 700 "- - - " "-" - -\n'
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        # no server could be reached
        ({"connect_ms": -1, "response_ms": -1, "status": 503, "ending": "SC"}, "- -1 -1 -1 503 0"),
        # the server did not answer in time
        ({"response_ms": -1, "status": 504, "ending": "sH"}, "10.0.0.1:80 0.007000 -1 -1 504 0"),
        # the client left before the answer
        ({"response_ms": -1, "status": -1, "ending": "CH"}, "10.0.0.1:80 0.007000 -1 -1 - 0"),
        # the client left within the answer
        ({"ending": "CD"}, "10.0.0.1:80 0.007000 0.020000 0.000000 200 200"),
    ],
)
def test_who_is_to_blame_shows_in_times_and_codes(changed: dict[str, object], expected: str) -> None:
    assert " ".join(line(**changed).split(" ")[3:9]) == expected


def test_a_malformed_request() -> None:
    bad = {"status": 400, "connect_ms": -1, "response_ms": -1, "wait_ms": -1, "request_ms": -1, "ending": "PR"}
    unknown = dict.fromkeys(("method", "uri", "version", "host", "agent", "gave"), "-")
    fields = HTTP | bad | unknown | {"server": "-", "server_port": "-", "sent": 0, "received": 0}
    without_headers = raw(fields).partition(b" {")[0] + b" <BADREQ>"
    for written in (raw(fields), without_headers):
        shown = lines.convert(written, "web").body.decode()
        assert shown.split(" ", 3)[3] == '- -1 -1 -1 400 0 0 0 "- - - " "-" - -\n'


def test_what_clients_send_cannot_break_a_line() -> None:
    shown = line(uri='/a"b\\c d\x07\n:é', agent='x" "y" ] \\', host='h"\r', method="GET")
    assert '"GET http://h\\x22\\x0d:80/a\\x22b\\x5cc d\\x07\\x0a:\\xe9 HTTP/1.1" "x\\x22 \\x22y\\x22 ] \\x5c"' in shown
    assert "\n" not in shown


def test_absolute_targets_and_ports_of_hosts() -> None:
    assert '"GET http://other:81/x HTTP/1.1"' in line(uri="http://other:81/x")
    assert '"GET http://www.example.com:80/?u=http://x HTTP/1.1"' in line(uri="/?u=http://x")
    assert '"OPTIONS http://www.example.com:80/* HTTP/1.1"' in line(uri="*", method="OPTIONS", host="www.example.com:8")


@pytest.mark.parametrize(
    ("changed", "received", "sent"),
    [
        ({"got": "120"}, 120, 29),
        ({"method": "HEAD"}, 0, 0),
        ({"status": 304, "gave": "29"}, 0, 0),
        ({"sent": 10, "ending": "CD"}, 0, 10),
    ],
)
def test_sizes_are_those_of_bodies(changed: dict[str, object], received: int, sent: int) -> None:
    assert line(**changed).split(" ")[9:11] == [str(received), str(sent)]


def test_other_lines_are_skipped_and_broken_ones_counted() -> None:
    raw_lines = b'Proxy fe-80 stopped (cumulated conns: FE: 1, BE: 0).\n["H",0,1,200,"--",0,0]\n["H",0,1\n\n'
    assert lines.convert(raw_lines, "web") == lines.Converted(b"", 0, 1)
    former = orjson.dumps([*HTTP.values(), "-", "-"])
    broken = (raw(HTTP).replace(b"{", b""), raw(HTTP).replace(b"|", b""), raw(TCP).replace(b"C0000207", b"C00002"))
    for each in (*broken, former, former.replace(b"curl", b"[c]")):
        assert lines.convert(each, "web") == lines.Converted(b"", 0, 1), each
    assert logs.short(b"nonsense") is None
    assert logs.short(b"{}") is None
    assert logs.entry(b"[]") is None


def test_intervals_are_aligned_to_utc() -> None:
    assert naming.interval_end(1400.0, 5) == 1500
    assert naming.interval_end(1500.0, 5) == 1800
    assert naming.interval_end(1499.99, 5) == 1500
    assert naming.interval_end(3600.0, 60) == 7200


@pytest.mark.parametrize(
    ("prefix", "start"),
    [("", "AWSLogs/"), ("a/b", "a/b/AWSLogs/"), ("/a/", "a/AWSLogs/")],
    ids=["none", "two", "slashes"],
)
def test_names_of_objects(prefix: str, start: str) -> None:
    suffix = naming.suffix(random.Random(1))
    assert len(suffix) == 8
    key = naming.object_key(
        prefix=prefix,
        account="000000000001",
        region="home-1",
        name="web",
        end=1400000400,
        address="10.0.0.9",
        suffix=suffix,
    )
    assert key == (
        f"{start}000000000001/elasticloadbalancing/home-1/2014/05/13/"
        f"000000000001_elasticloadbalancing_home-1_web_20140513T1700Z_10.0.0.9_{suffix}.log"
    )
