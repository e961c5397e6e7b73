"""The accounts that every service knows."""

from __future__ import annotations

SYSTEM_ACCOUNT = "000000000000"
"""Owns what serves all accounts."""
