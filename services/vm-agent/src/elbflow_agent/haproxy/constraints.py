"""The names that an authority is believed about: those of one certificate (spec/vm-agent-data-plane 3.6).

A constraint binds names of its own kind alone, and one without a name of that kind passes. So every kind of name that a
certificate for servers may have is bound: to the leaf's, or to one that nobody has.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import urllib.parse
from collections.abc import Iterable, Iterator

from cryptography import x509
from cryptography.x509.oid import NameOID

_NOBODY = "nobody.invalid"
_NOWHERE = ipaddress.ip_address("192.0.2.0"), ipaddress.ip_address("2001:db8::")
"""Addresses of documents, one of each version."""
_HOST = re.compile(r"[A-Za-z0-9_.-]+")
_MAIL = re.compile(r"[A-Za-z0-9_.+-]+@[A-Za-z0-9_.-]+")


def of(leaf: x509.Certificate) -> x509.NameConstraints:
    """What certificates with the names of ``leaf``, and no others, satisfy. Raises ValueError for odd names."""
    names: list[x509.GeneralName] = []
    with contextlib.suppress(x509.ExtensionNotFound):
        names = list(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    permitted = {*_subject(leaf, names), *_hosts(leaf, names), *_addresses(names), *_mail(leaf, names), *_links(names)}
    return x509.NameConstraints(list(permitted), None)


def _subject(leaf: x509.Certificate, names: Iterable[x509.GeneralName]) -> Iterator[x509.GeneralName]:
    nobody = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NOBODY)])
    yield x509.DirectoryName(leaf.subject if len(leaf.subject.rdns) else nobody)
    yield from (each for each in names if isinstance(each, x509.DirectoryName) and len(each.value.rdns))


def _hosts(leaf: x509.Certificate, names: Iterable[x509.GeneralName]) -> Iterator[x509.GeneralName]:
    """OpenSSL takes the common name for a host's when there is no other, and so must we."""
    found = [each.value for each in names if isinstance(each, x509.DNSName)]
    domains = [text.partition(".")[2] if "*" in text else text for text in found]
    for host in (_NOBODY, *filter(_HOST.fullmatch, domains or _subjects(leaf, NameOID.COMMON_NAME))):
        yield x509.DNSName(host)


def _addresses(names: Iterable[x509.GeneralName]) -> Iterator[x509.GeneralName]:
    found = [each.value for each in names if isinstance(each, x509.IPAddress)]
    for address in (*_NOWHERE, *found):
        yield x509.IPAddress(ipaddress.ip_network(str(address)))


def _mail(leaf: x509.Certificate, names: Iterable[x509.GeneralName]) -> Iterator[x509.GeneralName]:
    """Also those of the subject, which OpenSSL looks at. With odd ones the kind stays free, or the leaf would fail."""
    found = [each.value for each in names if isinstance(each, x509.RFC822Name)]
    found += _subjects(leaf, NameOID.EMAIL_ADDRESS)
    if all(map(_MAIL.fullmatch, found)):
        for address in (f"nobody@{_NOBODY}", *found):
            yield x509.RFC822Name(address)


def _links(names: Iterable[x509.GeneralName]) -> Iterator[x509.GeneralName]:
    """Constraints are about a link's host; OpenSSL refuses links without one, so then this kind stays free."""
    found = [_host(each.value) for each in names if isinstance(each, x509.UniformResourceIdentifier)]
    if all(map(_HOST.fullmatch, found)):
        for host in (_NOBODY, *found):
            yield x509.UniformResourceIdentifier(host)


def _host(link: str) -> str:
    try:
        return urllib.parse.urlsplit(link).hostname or ""
    except ValueError:
        return ""


def _subjects(leaf: x509.Certificate, kind: x509.ObjectIdentifier) -> list[str]:
    return [str(each.value) for each in leaf.subject.get_attributes_for_oid(kind)]
