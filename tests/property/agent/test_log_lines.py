"""Whatever clients send, a line of HAProxy is one request with exactly their texts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from elbflow_agent.accesslog import lines
from elbflow_agent.haproxy import logs

_ARRAY = '["H",0,1,200,"--",0,0,1700000000.123,0,0,"C0000201","99","0A000001","80","fe-80",80,90,"-","-",0,0]'
_NUMBERS = "[H80 0 1 200 -- 0 0 0 0 0 1700000000.123 C0000201 99 0A000001 80 80 90"
_TEXT = st.text(st.characters(max_codepoint=255), min_size=1).filter(lambda text: text != "-")
_WORD = st.text(st.characters(max_codepoint=255, exclude_characters=" "), min_size=1).filter(lambda text: text != "-")


_IN_HEADERS, _IN_FIRST_LINES = '"#{|}', '"#'


def _written(text: str, special: str) -> str:
    """As HAProxy writes headers and first lines."""
    return "".join(f"#{ord(each):02X}" if each in special or not " " <= each <= "~" else each for each in text)


@given(host=_TEXT, agent=_TEXT, target=_WORD, method=_WORD, long=st.booleans())
def test_texts_of_clients_come_back_as_they_were(host: str, agent: str, target: str, method: str, long: bool) -> None:
    agents, first = _written(agent, _IN_HEADERS), f"{_written(method, _IN_FIRST_LINES)} "
    if long:
        texts = f"cut||{_written(f'{target} HTTP/1.1', _IN_HEADERS)}|{agents}"
        first += "/cut"
    else:
        texts = f"{agents}|||"
        first += f"{_written(target, _IN_FIRST_LINES)} HTTP/1.1"
    headers = f"{{||||||{_written(host, _IN_HEADERS)}|{texts}}} {{3|}}"
    line = f"{_NUMBERS} {headers} {first}".encode("ascii")
    entry = logs.entry(line)
    assert isinstance(entry, logs.Http)
    assert (entry.host, entry.agent, entry.method, entry.uri) == (host, agent, method, target)
    assert (entry.version, entry.client, entry.server, entry.gave) == ("HTTP/1.1", "192.0.2.1", "10.0.0.1", "3")
    shown = lines.convert(line + b"\n", "web")
    assert (shown.lines, shown.unreadable, shown.body.count(b"\n"), shown.body.count(b'"')) == (1, 0, 1, 4)


@given(line=st.binary(max_size=80), kept=st.integers(0, 120))
def test_no_line_breaks_the_reader(line: bytes, kept: int) -> None:
    for each in (line, _ARRAY.encode()[:kept] + line, _NUMBERS.encode()[:kept] + line):
        converted = lines.convert(each, "web")
        assert converted.lines + converted.unreadable <= each.count(b"\n") + 1


_MS = st.integers(-1, 100_000) | st.just(0)
_SAFE = st.text("abcXYZ019-._~:/?&=() ;,<>", max_size=30)
_SOME = _SAFE | st.text(st.characters(max_codepoint=255), max_size=10)


@st.composite
def _lines(draw: st.DrawFn) -> str:
    """Lines of requests, most of them of the usual kind."""
    tls = draw(st.booleans())
    numbers = " ".join(
        (
            f"[H{draw(st.integers(1, 65535))}{'~' if tls else ''} {draw(_MS)} {draw(_MS)}",
            f"{draw(st.sampled_from((-1, 101, 200, 204, 302, 304, 404, 503)))} -- 0 3",
            f"{draw(_MS)} {draw(_MS)} {draw(_MS)}",
            f"{draw(st.integers(0, 2**32))}.{draw(st.integers(0, 999)):03}",
            f"{draw(st.sampled_from(('C0000201', '20010DB8000000000000000000000007', '-')))} 99",
            f"{draw(st.sampled_from(('0A000001 80', '- -')))} {draw(st.integers(0, 999))} {draw(st.integers(0, 999))}",
        )
    )
    handshake = f" {draw(st.integers(0, 99))} ECDHE-RSA-AES128-SHA TLSv1.2" if tls else ""
    got, gave = (draw(st.sampled_from(("", "0", "31", "007", "1200", "9" * 15))) for _ in range(2))
    got_head, gave_head = (draw(st.sampled_from(("", "120"))) for _ in range(2))
    host, agent = _written(draw(_SOME), _IN_HEADERS), _written(draw(_SOME), _IN_HEADERS)
    method = draw(st.sampled_from(("GET", "POST", "HEAD", "get", "M-SEARCH")))
    target = _written(
        draw(st.sampled_from(("/", "", "*", "http://a/"))) + draw(_SOME).replace(" ", ""), _IN_FIRST_LINES
    )
    first = f"{method} {target} {draw(st.sampled_from(('HTTP/1.1', 'HTTP/1.0', 'HTTP/1')))}"
    long = draw(
        st.sampled_from(("", "||", f"|{_written('/long HTTP/1.1', _IN_HEADERS)}|", "||an agent", "|/b HTTP/1.0|c"))
    )
    noted = f"||||1|{got}|{host}|{agent}|{got_head}{long}"
    return f"{numbers}{handshake} {{{noted}}} {{{gave}|{gave_head}}} {first}"


@given(
    line=_lines(),
    at=st.integers(0, 300),
    put=st.text(st.characters(max_codepoint=255), max_size=2),
    cut=st.integers(0, 2),
)
def test_the_short_way_leads_where_the_long_one_does(line: str, at: int, put: str, cut: int) -> None:
    for each in (line, line[:at] + put + line[at + cut :]):
        quick = lines.common(each, "web")
        if quick is not None:
            entry = logs.entry(each.encode("latin-1"))
            assert entry is not None
            assert quick == lines.line_of(entry, "web")
    assert logs.entry(line.encode("latin-1")) is not None


def test_usual_lines_take_the_short_way() -> None:
    plain = f"{_NUMBERS} {{|||||12|host:80|an agent/1.0 (x; y)|||}} {{31|}} POST /a/b?c=d%20&e HTTP/1.1"
    tls = plain.replace("[H80 ", "[H443~ ").replace(" 80 90 ", " 80 90 7 ECDHE-RSA-AES128-SHA TLSv1.2 ")
    of_an_earlier_build = plain.replace("|||}", "|}")
    for line in (
        plain,
        tls,
        of_an_earlier_build,
        plain.replace("|12|", "||").replace("an agent/1.0 (x; y)", "").replace("POST", "GET"),
    ):
        assert lines.common(line, "web") is not None
    for other in (" -1 200 ", " 1 304 ", " 1 101 "):
        assert lines.common(plain.replace(" 1 200 ", other), "web") is None
    for odd in ("a#22b", "{", 'a"b', "a\\b", "a\x07", "\xe9"):
        assert lines.common(plain.replace("an agent", odd), "web") is None
        assert lines.common(plain.replace("/a/b", f"/{odd}"), "web") is None or odd == "{"
