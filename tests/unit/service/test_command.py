"""Options that are settings, and how wrong ones are told."""

from __future__ import annotations

import argparse

import pydantic
import pytest

from elbflow import service


class ExampleSettings(service.ServiceSettings):
    """Some settings."""

    where: str = pydantic.Field(description="Where to look")
    share: int = pydantic.Field(5, ge=0, le=100, description="Percent (%) of it")
    hint: str | None = pydantic.Field(None, description="What helps")


OPTIONS = (("--where", "where", "PLACE"), ("--share", "share", "N"), ("--hint", "hint", "TEXT"))


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    service.add_options(made, ExampleSettings, OPTIONS)
    return made


def test_only_what_was_given_overrules(parser: argparse.ArgumentParser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELBFLOW_SHARE", "7")
    options = service.given(parser.parse_args(["--where", "here"]))
    assert options == {"where": "here"}
    assert (ExampleSettings(**options).where, ExampleSettings(**options).share) == ("here", 7)
    options = service.given(parser.parse_args(["--where", "here", "--share", "8"]))
    assert ExampleSettings(**options).share == 8


def test_help_tells_descriptions_and_defaults(parser: argparse.ArgumentParser) -> None:
    text = " ".join(parser.format_help().split())
    assert "--where PLACE Where to look (required)" in text
    assert "--share N Percent (%) of it (default 5)" in text
    assert text.endswith("--hint TEXT What helps")


def test_wrong_settings_are_named_in_one_line_without_their_values(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        ExampleSettings(share=123456)  # type: ignore[call-arg]
    assert service.refuse("elbflow-example", caught.value) == service.EXIT_USAGE == 2
    said = capsys.readouterr().err
    assert said.startswith("elbflow-example: ")
    assert said.count("\n") == 1
    assert "where: Field required; share: " in said
    assert "123456" not in said


def test_other_errors_speak_for_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    assert service.refuse("elbflow-example", service.UnusableSecret("it is empty")) == 2
    assert capsys.readouterr().err == "elbflow-example: it is empty\n"
