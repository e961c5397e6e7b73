"""The only doors through which a value may reach an HAProxy configuration or runtime command (REQ-1.12, F93).

Every function returns the value in the one spelling that is written, or raises :class:`Unrepresentable`. Nothing is
quoted or escaped: what would need it is refused.
"""

from __future__ import annotations

import functools
import ipaddress
import re

from elbflow import errors

_INSTANCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # an IP address may be an instance id
_COOKIE_NAME = re.compile(r"[A-Za-z0-9_.+-]{1,255}")
_KEY = re.compile(r"[0-9a-f]{16,64}")
_LEAF = re.compile(r"[0-9A-F]{40}")
_CIPHER = re.compile(r"[A-Z0-9]+(-[A-Z0-9]+){0,8}")
_TAG = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PATH = re.compile(r"/[A-Za-z0-9._/-]+")
_LONGEST_SECONDS = 2_147_483  # HAProxy keeps times in 32-bit milliseconds


class Unrepresentable(errors.Permanent):
    """The value cannot be written into an HAProxy configuration."""


def server_name(instance_id: str) -> str:
    """Instance id as a server name."""
    return _match(_INSTANCE_ID, instance_id, "instance id")


def cookie_name(text: str) -> str:
    """Cookie name: the part of RFC 6265's names that has no meaning of its own to HAProxy."""
    return _match(_COOKIE_NAME, text, "cookie name")


@functools.lru_cache(maxsize=256)  # one document has each of them looked at six times
def address(text: str) -> str:
    """IPv4 address in canonical form (Classic ELB back ends are IPv4)."""
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError as error:
        raise Unrepresentable(f"{text[:80]!r} is not an IPv4 address") from error


def listening_address(text: str) -> str:
    """IPv4 or IPv6 address of one interface in canonical form; none that stands for several or for another."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError as error:
        raise Unrepresentable(f"{text[:80]!r} is not an IP address") from error
    if isinstance(found, ipaddress.IPv6Address) and (found.scope_id is not None or found.ipv4_mapped is not None):
        raise Unrepresentable(f"{text[:80]!r} is not an address to listen on")
    if found.is_unspecified or found.is_multicast:
        raise Unrepresentable(f"{text[:80]!r} is not the address of one interface")
    return str(found)


def port(number: int) -> int:
    """TCP port."""
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 65535:
        raise Unrepresentable(f"{number!r} is not a port")
    return number


def endpoint(address: str, number: int) -> str:
    """A listening address with its port, as ``bind`` reads it."""
    text = listening_address(address)
    return f"[{text}]:{port(number)}" if ":" in text else f"{text}:{port(number)}"


def seconds(number: int) -> int:
    """Positive duration in seconds that fits HAProxy's time type."""
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= _LONGEST_SECONDS:
        raise Unrepresentable(f"{number!r} is not a duration between 1 and {_LONGEST_SECONDS} seconds")
    return number


def count(number: int) -> int:
    """Number of things, at most a million; 0 is none."""
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 1_000_000:
        raise Unrepresentable(f"{number!r} is not a number between 0 and a million")
    return number


def key(text: str) -> str:
    """Hexadecimal key."""
    return _match(_KEY, text, "key")


def leaf(text: str) -> str:
    """SHA-1 of a certificate in HAProxy's spelling."""
    return _match(_LEAF, text, "certificate fingerprint")


def cipher(text: str) -> str:
    """One cipher suite by its OpenSSL name; words that stand for several are told apart elsewhere."""
    return _match(_CIPHER, text, "cipher")


def tag(text: str) -> str:
    """Version tag for ``description``."""
    return _match(_TAG, text, "tag")


def path(text: str) -> str:
    """Absolute path of one of the agent's own files."""
    return _match(_PATH, text, "path")


def _match(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise Unrepresentable(f"{str(text)[:80]!r} is not a usable {what}")
    return text
