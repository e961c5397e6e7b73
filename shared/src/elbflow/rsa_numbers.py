"""Pure: whether the numbers of an RSA private key belong together.

Cryptographic libraries look for primes to say so, which stops a whole Python process for up to half a second.
"""

from __future__ import annotations

from typing import Protocol


class Public(Protocol):
    """Modulus and exponent."""

    @property
    def n(self) -> int: ...
    @property
    def e(self) -> int: ...


class Private(Protocol):
    """The numbers of RFC 8017's RSAPrivateKey, by the names that ``cryptography`` gives them."""

    @property
    def p(self) -> int: ...
    @property
    def q(self) -> int: ...
    @property
    def d(self) -> int: ...
    @property
    def dmp1(self) -> int: ...
    @property
    def dmq1(self) -> int: ...
    @property
    def iqmp(self) -> int: ...
    @property
    def public_numbers(self) -> Public: ...


def are_consistent(key: Private) -> bool:
    """Whether what is signed with one part of them is what the others would sign.

    Their owner answers for the primes being prime.
    """
    p, q, e = key.p, key.q, key.public_numbers.e
    return (
        min(p, q, e) > 1
        and p * q == key.public_numbers.n
        and key.dmp1 == key.d % (p - 1)
        and key.dmq1 == key.d % (q - 1)
        and e * key.dmp1 % (p - 1) == 1
        and e * key.dmq1 % (q - 1) == 1
        and key.iqmp * q % p == 1
    )
