"""Whatever clients send, a line of HAProxy is one request with exactly their texts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from elbflow_agent.accesslog import lines
from elbflow_agent.haproxy import logs

_ARRAY = '["H",0,1,200,"--",0,0,1700000000.123,0,0,"C0000201","99","0A000001","80","fe-80",80,90,"-","-",0,0]'
_TEXT = st.text(st.characters(max_codepoint=255), min_size=1).filter(lambda text: text != "-")
_WORD = st.text(st.characters(max_codepoint=255, exclude_characters=" "), min_size=1).filter(lambda text: text != "-")


_IN_HEADERS, _IN_FIRST_LINES = '"#{|}', '"#'


def _written(text: str, special: str) -> str:
    """As HAProxy writes headers and first lines."""
    return "".join(f"#{ord(each):02X}" if each in special or not " " <= each <= "~" else each for each in text)


@given(host=_TEXT, agent=_TEXT, target=_WORD, method=_WORD)
def test_texts_of_clients_come_back_as_they_were(host: str, agent: str, target: str, method: str) -> None:
    headers = f"{{|||||{_written(host, _IN_HEADERS)}|{_written(agent, _IN_HEADERS)}|}} {{3|}}"
    first = f"{_written(method, _IN_FIRST_LINES)} {_written(target, _IN_FIRST_LINES)} HTTP/1.1"
    line = f"{_ARRAY} {headers} {first}".encode("ascii")
    entry = logs.entry(line)
    assert isinstance(entry, logs.Http)
    assert (entry.host, entry.agent, entry.method, entry.uri) == (host, agent, method, target)
    assert (entry.version, entry.client, entry.server, entry.gave) == ("HTTP/1.1", "192.0.2.1", "10.0.0.1", "3")
    shown = lines.convert(line + b"\n", "web")
    assert (shown.lines, shown.unreadable, shown.body.count(b"\n"), shown.body.count(b'"')) == (1, 0, 1, 4)


@given(line=st.binary(max_size=80), kept=st.integers(0, 120))
def test_no_line_breaks_the_reader(line: bytes, kept: int) -> None:
    for each in (line, _ARRAY.encode()[:kept] + line):
        converted = lines.convert(each, "web")
        assert converted.lines + converted.unreadable <= each.count(b"\n") + 1
