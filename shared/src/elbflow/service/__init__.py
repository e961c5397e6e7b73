"""How a process starts, reports and stops: settings, command line, logging, lifecycle, admin HTTP,
limits, secrets, SigV4 verification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elbflow import lazily
from elbflow.service.accounts import SYSTEM_ACCOUNT
from elbflow.service.command import EXIT_USAGE, add_options, given, refuse
from elbflow.service.lifecycle import EXIT_UNUSABLE, Main, run
from elbflow.service.limits import TooFewFiles, ensure_files
from elbflow.service.logs import configure_logging
from elbflow.service.process import VERSION, Process
from elbflow.service.secrets import UnusableSecret, read_secret
from elbflow.service.settings import ServiceSettings
from elbflow.service.urls import url_of

if TYPE_CHECKING:
    from elbflow.service.sigv4 import (
        ALLOW_ALL,
        REGION,
        AcceptAll,
        AuthCode,
        Authenticator,
        AuthError,
        Credential,
        Identity,
        KeyStore,
        Permissions,
        SignedRequest,
        StaticKeys,
        UnusableKeys,
        Verifier,
        account_of,
        from_aiohttp,
    )

__all__ = [
    "ALLOW_ALL",
    "EXIT_UNUSABLE",
    "EXIT_USAGE",
    "REGION",
    "SYSTEM_ACCOUNT",
    "VERSION",
    "AcceptAll",
    "AuthCode",
    "AuthError",
    "Authenticator",
    "Credential",
    "Identity",
    "KeyStore",
    "Main",
    "Permissions",
    "Process",
    "ServiceSettings",
    "SignedRequest",
    "StaticKeys",
    "TooFewFiles",
    "UnusableKeys",
    "UnusableSecret",
    "Verifier",
    "account_of",
    "add_options",
    "configure_logging",
    "ensure_files",
    "from_aiohttp",
    "given",
    "read_secret",
    "refuse",
    "run",
    "url_of",
]

if not TYPE_CHECKING:  # processes that nobody signs requests to need none of it
    __getattr__ = lazily.forward(__name__, __all__, "elbflow.service.sigv4")
