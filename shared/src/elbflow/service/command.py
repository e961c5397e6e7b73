"""What the services' command lines have in common: options that are settings, and how wrong ones are told."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import Any, TypeAlias

import pydantic

from elbflow.service.settings import ServiceSettings

EXIT_USAGE = 2

Option: TypeAlias = tuple[str, str, str]
"""Name of an option, of the setting that it overrules, and of its value: ``("--port", "api_port", "PORT")``."""


def add_options(parser: argparse.ArgumentParser, settings: type[ServiceSettings], options: Iterable[Option]) -> None:
    """Add options whose values are left for ``settings`` to check; their help is the description of the setting."""
    for option, setting, value in options:
        parser.add_argument(option, dest=setting, metavar=value, help=_help(settings, setting))


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options that were given, by setting; the others are left to variables and defaults."""
    return {name: value for name, value in vars(arguments).items() if value is not None}


def refuse(program: str, error: Exception) -> int:
    """Say on stderr why ``program`` cannot run as it was called; returns the exit code for that."""
    sys.stderr.write(f"{program}: {_explained(error)}\n")
    return EXIT_USAGE


def _help(settings: type[ServiceSettings], setting: str) -> str:
    field = settings.model_fields[setting]
    text = (field.description or setting).replace("%", "%%")
    if field.is_required() or field.default == "":
        return f"{text} (required)"
    return text if field.default is None else f"{text} (default {field.default})"


def _explained(error: Exception) -> str:
    if not isinstance(error, pydantic.ValidationError):
        return str(error)
    problems = ((".".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_input=False))
    return "; ".join(f"{setting}: {problem}" if setting else problem for setting, problem in problems)
