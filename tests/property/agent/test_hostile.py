"""Whatever a document says, the configuration consists of lines of known forms, and HAProxy's CLI gets one command."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.property.agent.strategies import HOSTILE, hostile_documents

from elbflow.contract import document
from elbflow_agent.haproxy import cookies, desync, forwarded, hops, logs, model, place, plan, render, safe

WHERE = place.Place(Path("/run/elbflow/vm"))
LIMITS = place.Limits(1000, 60)
_EMPTY = plan.plan(
    document.LoadBalancerDocument(document.LoadBalancerKey("1", "x"), 1, "z"), "127.0.0.1", lambda _: True
).model
_NUMBERS = re.compile(r"(?<=log-format '\[H)\d+(?= )|\d+s?$")
FIXED = {_NUMBERS.sub("N", line) for line in render.render(_EMPTY, WHERE, LIMITS).splitlines()}
FIXED |= {
    _NUMBERS.sub("N", f"    {line}")
    for mode in ("http", "tcp")
    for logging in logs.Logging
    for lines in (
        logs.frontend_lines(mode, logging, 80, tls=False),
        logs.answer_lines(logging, desync.IS_ODD),
        logs.seldom_lines(logging),
        logs.long_text_lines(logging),
    )
    for line in (*lines, *logs.global_lines(logging))
}
FIXED |= {f"    {line}" for mode in model.Desync for line in desync.frontend_lines(mode)}
FIXED |= {f"    {line}" for line in (*forwarded.beginning(), *hops.lines())}
FORMS = re.compile(
    r"""\ {4}description\ [0-9a-f]{24}
    |frontend\ fe-\d+\ from\ d-(http|tcp)
    |backend\ be-\d+\ from\ d-(http|tcp)
    |\ {4}bind\ 127\.0\.0\.1:\d+
    |\ {4}tcp-request\ connection\ reject\ if\ \{\ src\ 127\.0\.0\.1\ \}
    |\ {4}http-request\ allow\ if(\ !\{\ capture\.req\.hdr\([0-5]\)\ -m\ found\ \})+(FITS)?
    |\ {4}default_backend\ be-\d+
    |\ {4}balance\ (leastconn|roundrobin)
    |\ {4}cookie\ AWSELB\ insert\ indirect\ httponly(\ attr\ Max-Age=\d+)?\ dynamic(\ maxlife\ \d+s)?
    |\ {4}dynamic-cookie-key\ [0-9a-f]{32}
    |\ {4}http-after-response\ add-header\ Cache-Control\ 'no-cache="set-cookie"'\ if\ [^\n]*
    |\ {4}\#\ server\ options:\ (none|(SSL\ ?)?(send-proxy)?)
    |\ {4}server\ [A-Za-z0-9][A-Za-z0-9_-]{0,63}\ (\d+\.){3}\d+:\d+(\ SSL)?(\ send-proxy)?(\ disabled)?
    """.replace("SSL", r"ssl\ verify\ none\ ssl-min-ver\ TLSv1\.0\ ciphers\ DEFAULT:@SECLEVEL=0").replace(
        "FITS", re.escape(f" {logs.fits(logs.Logging.FULL)}")
    ),
    re.VERBOSE,
)
RULE_LINES = {
    '    http-request add-header X-Forwarded-For "%[var(sess.elb_client)]'
    r'\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: N"',
    *(
        f"    http-request set-var(txn.elb_for) \"req.fhdr(X-Forwarded-For,-{at}),concat(', ',txn.elb_for)\""
        for at in (2, 3, 4)
    ),
    "    http-request set-var(txn.elb_for) var(sess.elb_client)",
    '    http-request set-header X-Forwarded-For "%[var(txn.elb_for)]'
    r'\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: N"',
    "    http-request del-header X-Forwarded-Proto",
    "    http-request del-header X-Forwarded-Port",
}


def _followed() -> re.Pattern[str]:
    """The lines of application cookies of any name."""
    listener = model.Listener(80, model.Mode.HTTP, stickiness=model.AppStickiness("ab" * 16, "NAME"))
    lines = [re.escape(f"    {line}") for line in cookies.rules(listener, WHERE)]
    key = re.escape(base64.b64encode(b"ab" * 16).decode())
    return re.compile("|".join(lines).replace("NAME", r"[][A-Za-z0-9_.+-]{1,255}").replace(key, "[A-Za-z0-9+/]{43}="))


FOLLOWED = _followed()


@given(wanted=hostile_documents(), rotation=st.booleans())
def test_every_line_has_a_known_form(wanted: document.LoadBalancerDocument, rotation: bool) -> None:
    result = plan.plan(wanted, "127.0.0.1", lambda _: rotation)
    text = render.render(result.model, WHERE, LIMITS)
    assert text.isascii()
    for line in text.split("\n"):
        rule = re.sub(r'Port: \d+"$', 'Port: N"', line)
        known = _NUMBERS.sub("N", line) in FIXED or line in FIXED or rule in RULE_LINES
        assert known or FORMS.fullmatch(line) or FOLLOWED.fullmatch(line), line
        if "header X-Forwarded-" in line and "capture" not in line:
            assert rule in RULE_LINES
    assert len(result.model.listeners) + len(result.problems) == len(wanted.listeners)


@given(text=HOSTILE)
def test_what_passes_needs_no_quoting(text: str) -> None:
    for door in (safe.server_name, safe.cookie_name, safe.key, safe.tag, safe.path, safe.address):
        try:
            passed = door(text)
        except safe.Unrepresentable:
            continue
        assert re.fullmatch(r"[A-Za-z0-9._/+-]+", passed)


@given(name=st.text("abzAZ019_.+-", min_size=1, max_size=12))
def test_lines_of_application_cookies_have_known_forms(name: str) -> None:
    listener = model.Listener(80, model.Mode.HTTP, stickiness=model.AppStickiness("0f" * 16, name))
    for line in cookies.rules(listener, WHERE):
        assert FOLLOWED.fullmatch(f"    {line}"), line
