"""XML that means harm."""

from __future__ import annotations

import time

import pytest

from elbflow_agent.original import markup

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "text",
    [
        f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><a>&l9;</a>',
        f'<!DOCTYPE a [<!ENTITY l "{"ha" * 50_000}">]><a>{"&l;" * 10_000}</a>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p">%p;]><a/>',
        "<!DOCTYPE a><a/>",
        "<a>&undeclared;</a>",
        f"<a>{'x' * (10 * 1024 * 1024)}</a>",
        f"<a>{'ä' * (markup.LARGEST // 2)}</a>",
        "<a>" * 50_000,
        "<a>" * 100 + "</a>" * 100,
        "<a>\ud800</a>",
        "<a>\x00</a>",
        "<a>&#0;</a>",
        "<a><b></a></b>",
        "<a/><a/>",
        "<p:a/>",
        "\ufeff\ufeff<a/>",
        "a",
        "",
    ],
    ids=range(20),
)
def test_it_is_refused_soon(text: str) -> None:
    began = time.process_time()
    with pytest.raises(markup.Invalid) as refused:
        markup.parse(text)
    assert time.process_time() - began < 1
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1", "EBCDIC-CP-US", "nonsense"])
def test_the_text_has_been_decoded_whatever_it_says_of_itself(encoding: str) -> None:
    assert markup.parse(f'<?xml version="1.0" encoding="{encoding}"?><a>ä€</a>').text == "ä€"


def test_texts_keep_what_is_quoted_and_drop_what_is_none() -> None:
    root = markup.parse("<a>1<!-- 2 --><b> 3 </b><![CDATA[<4>&]]>&lt;<?php 5?></a>")
    assert (root.text, root.said("b"), root.said("c")) == ("1<4>&<", "3", None)


def test_as_many_levels_as_the_original_has_are_taken() -> None:
    assert markup.parse("<a>" * 32 + "</a>" * 32).name == "a"
