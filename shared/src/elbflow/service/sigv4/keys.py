"""A fixed set of access keys, from a file that only its owner may read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Annotated

import pydantic

from elbflow import errors
from elbflow.service import secrets
from elbflow.service.sigv4.model import Credential
from elbflow.service.sigv4.permissions import Permissions

_Pattern = Annotated[str, pydantic.StringConstraints(pattern=r"^(\*|[A-Za-z0-9*?-]+:[A-Za-z0-9*?]+)$")]
_Role = Annotated[str, pydantic.StringConstraints(min_length=1)]


class UnusableKeys(errors.Permanent):
    """The key file cannot be used."""


class _Key(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    access_key_id: str = pydantic.Field(min_length=1)
    secret_access_key: pydantic.SecretStr = pydantic.Field(min_length=1)
    account: str = pydantic.Field(pattern=r"^[0-9]{12}$")
    session_token: pydantic.SecretStr | None = None
    admin: bool = False
    roles: tuple[_Role, ...] = ()
    allow: tuple[_Pattern, ...] = ("*",)

    def credential(self) -> Credential:
        token = self.session_token.get_secret_value() if self.session_token else None
        return Credential(
            self.access_key_id,
            self.secret_access_key.get_secret_value(),
            self.account,
            token,
            self.admin,
            self.roles,
            Permissions(self.allow),
        )


class _KeyFile(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    keys: tuple[_Key, ...]


class StaticKeys:
    """A :class:`~elbflow.service.sigv4.model.KeyStore` that never changes."""

    def __init__(self, credentials: Iterable[Credential]) -> None:
        self._credentials: dict[str, Credential] = {}
        for credential in credentials:
            if credential.access_key_id in self._credentials:
                raise UnusableKeys(f"access key {credential.access_key_id} is given twice")
            self._credentials[credential.access_key_id] = credential

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> StaticKeys:
        """Read ``{"keys": [{"access_key_id", "secret_access_key", "account", ...}]}``.

        A key may also have ``session_token``, ``admin`` (false), ``roles`` (names, none) and ``allow`` (patterns of
        actions such as ``swf:PollFor*``, all).

        Blocks; for start-up. Raises :class:`UnusableKeys` when group or others may access the file or its content
        is wrong, ``OSError`` when it cannot be read.
        """
        try:
            parsed = _KeyFile.model_validate_json(secrets.read_private(path))
        except secrets.UnusableSecret as error:
            raise UnusableKeys(str(error)) from None
        except pydantic.ValidationError as error:
            raise UnusableKeys(f"{path}: {error}") from None
        return cls(key.credential() for key in parsed.keys)

    async def find(self, access_key_id: str) -> Credential | None:
        return self._credentials.get(access_key_id)

    def __repr__(self) -> str:
        return f"<StaticKeys {len(self._credentials)} keys>"
