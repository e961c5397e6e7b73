"""Writes SVG. Attribute values and texts are escaped here and nowhere else."""

from __future__ import annotations

import markupsafe

from elbflow_engine.console import text as texts

Value = str | float | int


def number(value: float) -> str:
    """A coordinate: a tenth of a unit is finer than a screen."""
    return f"{value:.1f}".removesuffix(".0")


def element(name: str, *children: str, text: str = "", **attributes: Value) -> str:
    """An element; ``children`` are SVG already, ``text`` is not. ``class_`` is class, underscores become hyphens."""
    written = "".join(f' {_name(key)}="{_value(value)}"' for key, value in attributes.items())
    inside = escape(text) + "".join(children)
    return f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>"


def escape(text: str) -> str:
    return str(markupsafe.escape(texts.visible(text)))


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-") if key not in ("viewBox", "preserveAspectRatio") else key


def _value(value: Value) -> str:
    return escape(value) if isinstance(value, str) else number(value)
