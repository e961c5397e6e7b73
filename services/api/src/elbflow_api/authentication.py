"""Who calls: SigV4 with keys from the store; refusals spelled as in the Query protocol (spec/swf-semantics 1.5)."""

from __future__ import annotations

import re

from elbflow import clock as clocks
from elbflow import service, store
from elbflow_api import query
from elbflow_api.settings import Auth

SERVICE = "elasticloadbalancing"
"""The name that clients put into the credential scope."""

_STATUS = {
    service.AuthCode.MISSING_AUTHENTICATION_TOKEN: 403,
    service.AuthCode.INCOMPLETE_SIGNATURE: 400,
    service.AuthCode.INVALID_CLIENT_TOKEN_ID: 403,
    service.AuthCode.SIGNATURE_DOES_NOT_MATCH: 403,
    service.AuthCode.REQUEST_EXPIRED: 400,
    service.AuthCode.EXPIRED_TOKEN: 403,
}


_KEY_ID = re.compile(r"[!-~]{1,128}")
"""What databases are asked for: some fail at characters that no key's id has."""


class StoreKeys:
    """Access keys of the store, looked up at every request: a removed key stops working at once."""

    def __init__(self, db: store.Store) -> None:
        self._db = db

    async def find(self, access_key_id: str) -> service.Credential | None:
        if _KEY_ID.fullmatch(access_key_id) is None:
            return None
        async with self._db.reading() as tx:
            key = await tx.access_keys.find(access_key_id)
        if key is None:
            return None
        return service.Credential(
            key.access_key_id,
            key.secret_access_key,
            key.account,
            key.session_token,
            admin=key.admin,
            principal=key.principal or "",
            expires_at=key.expires_at,
        )


def authenticator(
    auth: Auth, db: store.Store, clock: clocks.Clock, *, signed_for: str = SERVICE
) -> service.Authenticator:
    """``static``: requests must be signed with a key of the store. ``off``: callers are whoever they say."""
    if auth == "off":
        return service.AcceptAll()
    return service.Verifier(StoreKeys(db), service=signed_for, clock=clock)


def fault(error: service.AuthError) -> query.Fault:
    """The refusal as the Query protocol spells it."""
    return query.Fault(error.code.value, error.message, status=_STATUS[error.code])
