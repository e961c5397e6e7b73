"""VMs fetch certificates: the agent's client and the endpoint; every refusal of spec/vm-agent-data-plane 7.5."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import random
import shutil
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from botocore.credentials import ReadOnlyCredentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.integration.api.conftest import ENVIRONMENT
from tests.integration.api.iam.conftest import ARN, Place, opened
from tests.unit.api.iam.conftest import Issued, issue

from elbflow import clock, service, store
from elbflow.contract import names
from elbflow_agent.certificates import calls, client, credential, dialects, exchange, meters, roles
from elbflow_agent.certificates import store as downloads
from elbflow_agent.host import node
from elbflow_api.iam import authority as authorities
from elbflow_api.iam import delegation, master_key

pytestmark = pytest.mark.asyncio(loop_scope="module")

SYSTEM = service.SYSTEM_ACCOUNT
VM = "i-0123456789abcdef0"
ROLE = names.role_arn(SYSTEM, "loadbalancer-vm-123456789012-web")
CERTIFICATE = f"{ARN}/shop/www"
SYSTEM_KEY = store.AccessKey("AKIASYSTEM", "secret-of-the-system", SYSTEM, admin=True)
STRANGER_KEY = store.AccessKey("AKIASTRANGER", "secret-of-a-stranger", "210987654321")
DOWNLOAD = "iam:DownloadServerCertificate"
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": [DOWNLOAD], "Resource": f"{ARN}/shop/*"}],
    }
)
V1, V2 = False, True

Form = dict[str, str]


def role_key(session: str, **more: Any) -> store.AccessKey:
    token = f"token-of-{session}"
    return store.AccessKey(
        f"ASIA{session}", "s", SYSTEM, principal=ROLE, session_name=session, session_token=token, **more
    )


VM_KEY, OTHER_VM_KEY = role_key(VM), role_key("i-of-another")


class Keys:
    """A role whose keys are given."""

    def __init__(self, key: store.AccessKey) -> None:
        self.key = key
        self.times_refused = 0

    async def keys(self) -> ReadOnlyCredentials:
        return signing(self.key)

    def refused(self) -> None:
        self.times_refused += 1


class Given:
    """The credential of a VM, at hand."""

    def __init__(self, vm: credential.Vm) -> None:
        self.vm = vm

    async def get(self) -> credential.Vm:
        return self.vm

    def refused(self) -> bool:
        return False


def signing(key: store.AccessKey) -> ReadOnlyCredentials:
    return ReadOnlyCredentials(key.access_key_id, key.secret_access_key, key.session_token)


@dataclass
class Room:
    """The endpoint with a certificate in it, and a VM that may have it."""

    place: Place
    url: str
    calls: calls.Calls
    vm: credential.Vm
    authority: authorities.Authority

    async def post(self, form: Form, key: store.AccessKey = VM_KEY) -> bytes:
        return await self.calls.post(self.url, "iam", form, signing(key))

    async def refused(self, form: Form, key: store.AccessKey = VM_KEY) -> tuple[int, str]:
        """Status and code."""
        with pytest.raises((calls.Refused, calls.Unreachable)) as caught:
            await self.post(form, key)
        if isinstance(caught.value, calls.Refused):
            return caught.value.status, caught.value.code
        return 500, str(caught.value).partition(":")[0]

    def form(self, version: bool = V1, *, arn: str = CERTIFICATE, at: float | None = None) -> Form:
        nonce = base64.urlsafe_b64encode(random.randbytes(18)).decode() if version is V2 else None
        return exchange.parameters(exchange.Question(arn, time.time() if at is None else at, nonce), self.vm)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(
    empty_store: Path, tmp_path_factory: pytest.TempPathFactory, www: Issued, authority: Issued
) -> AsyncIterator[Room]:
    directory = tmp_path_factory.mktemp("downloads")
    shutil.copy(empty_store, directory / "store.sqlite")
    url = f"sqlite+aiosqlite:///{directory / 'store.sqlite'}"
    with pytest.MonkeyPatch.context() as patched:
        for name, value in ENVIRONMENT.items():
            patched.setenv(name, value)
        async with opened(url, directory, working=False, sts_port=0) as place, aiohttp.ClientSession() as session:
            yield await furnished(place, session, www, authority)


async def furnished(place: Place, session: aiohttp.ClientSession, www: Issued, authority: Issued) -> Room:
    """With a certificate, and a VM whose role may have it."""
    await place.iam.upload("www", www, Path="/shop/", CertificateChain=authority.pem)
    async with place.house.db.transaction() as tx:
        kind = store.PrincipalKind.ROLE
        await tx.principals.add(store.Principal(ROLE, SYSTEM, kind, "web", 1.0, (("download", POLICY),)))
        for key in (SYSTEM_KEY, STRANGER_KEY, VM_KEY, OTHER_VM_KEY):
            await tx.access_keys.save(key)
    url, requests = f"{place.house.api.iam_url}/services/Euare/", calls.Calls(session, "us-east-1")
    making = node.Node(url, requests, Keys(SYSTEM_KEY), days=365, time=clock.SystemClock(), instruments=meters.Meters())
    vm = credential.parsed(await making.open(await making.provision(VM, patiently=True)))
    making.close()
    vault = await asyncio.to_thread(master_key.load_or_create, place.master_key)
    kept = await authorities.Authorities(vault).get(place.house.db, clock.SystemClock())
    return Room(place, url, requests, vm, kept)


async def test_a_vm_fetches_a_certificate(here: Room, www: Issued, authority: Issued) -> None:
    role = Keys(VM_KEY)
    fetching = client.Client(here.url, here.calls, Given(here.vm), role, clock.SystemClock())
    had = await fetching.download(CERTIFICATE)
    expected = f"{www.pem.strip()}\n{authority.pem.strip()}\n{www.key_pem()}"
    assert had.pem.decode() == expected
    assert had.expires_at == www.certificate.not_valid_after_utc.timestamp()
    question = exchange.Question(CERTIFICATE, time.time())
    body = await here.post(exchange.parameters(question, here.vm))
    answer = dialects.download(body)
    assert b"<DownloadServerCertificateResponse " in body
    assert answer.version == ""
    assert exchange.opened(answer, question, here.vm).decode() == expected
    # 4.4 wraps the certificate's base64; what is not version 2 may be asked twice.
    form = here.form() | {"DelegationCertificate": base64.encodebytes(here.vm.credential.certificate).decode()}
    assert dialects.download(await here.post(form)).arn == CERTIFICATE
    assert dialects.download(await here.post(form)).arn == CERTIFICATE
    # Keys that ended meanwhile are renewed, and the request is repeated once.
    role.key = dataclasses.replace(VM_KEY, access_key_id="ASIAENDED")
    with pytest.raises(calls.Refused, match="InvalidClientTokenId"):
        await fetching.download(CERTIFICATE)
    assert role.times_refused == 1


async def test_agents_of_the_original_are_answered_in_their_dialect(here: Room) -> None:
    question = exchange.Question(CERTIFICATE, time.time())
    form = exchange.parameters(question, here.vm)
    told = dialects.download(await here.post(form))
    store_url, directory = here.place.house.settings.store_url, here.place.master_key.parent
    async with opened(store_url, directory, compatibility_original_downloads=True) as other:
        assert other.house.api.iam_url is not None
        body = await here.calls.post(other.house.api.iam_url, "iam", form, signing(VM_KEY))
    assert b"<euca:DownloadServerCertificateResponseType " in body
    assert b"<euca:serverPk>" in body
    assert b"RequestId" not in body
    assert exchange.opened(dialects.download(body), question, here.vm) == exchange.opened(told, question, here.vm)


def sign(vm: credential.Vm, text: str) -> str:
    return base64.b64encode(vm.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()


def foreign(vm: credential.Vm, name: str, **dates: Any) -> Issued:
    """A certificate of the VM's key that IAM did not issue."""
    return issue(name, issue(name, key=rsa.generate_private_key(65537, 2048)), key=vm.key, **dates)


def without(form: Form, *fields: str) -> Form:
    return {name: value for name, value in form.items() if name not in fields}


def at(here: Room, stamp: str, signed: str | None = None) -> Form:
    """Signed as of the time in ``stamp``, or of ``signed``."""
    return here.form() | {"Timestamp": stamp, "Signature": sign(here.vm, f"{CERTIFICATE}&{signed or stamp}")}


def shown(seconds: float) -> str:
    return time.strftime(delegation.FORMAT, time.gmtime(seconds))


REFUSED = (403, "NotAuthorized")
ROWS: dict[str, tuple[Callable[[Room], Form], tuple[int, str]]] = {
    "2: no certificate": (lambda here: here.form() | {"DelegationCertificate": "bm9uZQ=="}, REFUSED),
    "2: no base64": (lambda here: here.form() | {"DelegationCertificate": "?"}, REFUSED),
    "2: expired": (
        lambda here: (
            here.form()
            | {
                "DelegationCertificate": base64.b64encode(
                    here.authority.certify(_spki(here.vm), VM, 1, time.time() - 2 * 86400).encode()
                ).decode()
            }
        ),
        REFUSED,
    ),
    "3: no signature": (lambda here: without(here.form(), "Signature"), REFUSED),
    "3: no timestamp": (lambda here: without(here.form(), "Timestamp"), REFUSED),
    "4: no time": (lambda here: at(here, "yesterday"), REFUSED),
    "4: too old": (lambda here: at(here, shown(time.time() - 602)), REFUSED),
    "4: in the future": (lambda here: at(here, shown(time.time() + 30)), REFUSED),
    "5: of another text": (lambda here: here.form() | {"Signature": sign(here.vm, "else")}, REFUSED),
    "5: fractions are not signed": (lambda here: at(here, shown(time.time() - 60)[:-1] + ".5Z"), REFUSED),
    "5: no base64": (lambda here: here.form() | {"Signature": "?"}, REFUSED),
    "6: of another issuer": (
        lambda here: (
            here.form() | {"DelegationCertificate": base64.b64encode(foreign(here.vm, "x").pem.encode()).decode()}
        ),
        REFUSED,
    ),
    "7: not in the role's policies": (lambda here: here.form(arn=f"{ARN}/other"), REFUSED),
    "8: no such certificate": (lambda here: here.form(arn=f"{ARN}/shop/none"), (400, "NoSuchEntity")),
    "version 2: no nonce": (lambda here: without(here.form(V2), "Nonce"), REFUSED),
    "version 2: nonce not signed": (lambda here: here.form(V2) | {"Nonce": "b" * 24}, REFUSED),
    "version 2: signed nonce missing": (lambda here: without(here.form(V2), "BoundSignature"), REFUSED),
}


def _spki(vm: credential.Vm) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return vm.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


async def test_every_check_refuses(here: Room, www: Issued, authority: Issued) -> None:
    good = here.form()
    await here.post(good)
    for row, (make, expected) in ROWS.items():
        assert await here.refused(make(here)) == expected, row
    # 0 and 1: who calls; and required parameters come before all.
    assert await here.refused(good, dataclasses.replace(VM_KEY, secret_access_key="wrong")) == (
        403,
        "SignatureDoesNotMatch",
    )
    assert await here.refused(good, STRANGER_KEY) == REFUSED
    assert await here.refused(without(good, "AuthSignature")) == (400, "ValidationError")
    # The first check that fails is the one that is told: an unknown certificate that is not allowed either.
    assert await here.refused(here.form(arn=f"{ARN}/none")) == REFUSED
    # Version 2: a request serves once, and only the VM whose certificate it is.
    once = here.form(V2)
    await here.post(once)
    assert await here.refused(once) == REFUSED
    assert await here.refused(here.form(V2), OTHER_VM_KEY) == REFUSED
    # Whoever has the role of one VM and the key of another would choose version 1.
    assert await here.refused(here.form(V1), OTHER_VM_KEY) == REFUSED
    shared = here.authority.certify(_spki(here.vm), VM, 30, time.time(), original=True)
    of_original = {"DelegationCertificate": base64.b64encode(shared.encode()).decode()}
    await here.post(here.form(V1) | of_original, OTHER_VM_KEY)
    async with here.place.house.db.transaction() as tx:
        await tx.principals.remove_policy(ROLE, "download")
    assert await here.refused(good) == (403, "AccessDenied")
    async with here.place.house.db.transaction() as tx:
        await tx.principals.put_policy(ROLE, "download", POLICY)


async def test_what_cannot_be_prepared_is_an_internal_failure(here: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(delegation, "hashes", None)
        assert await here.refused(here.form()) == (500, "InternalFailure")
    async with here.place.house.db.transaction() as tx:
        found = await tx.server_certificates.by_arn(CERTIFICATE)
        assert found is not None
        await tx.server_certificates.update(dataclasses.replace(found, encrypted_key=b"\x01damaged"))
    assert await here.refused(here.form()) == (500, "InternalFailure")
    async with here.place.house.db.transaction() as tx:
        await tx.server_certificates.update(found)


async def test_a_certificate_from_before_is_taken_with_iams_signature_over_it(
    here: Room, www: Issued, authority: Issued
) -> None:
    """The legacy path of check 6."""
    pem = foreign(here.vm, "legacy").pem.encode()
    signature = here.authority.key.sign(pem, padding.PKCS1v15(), hashes.SHA256())
    legacy = {
        "DelegationCertificate": base64.b64encode(pem).decode(),
        "AuthSignature": base64.b64encode(signature).decode(),
    }
    assert dialects.download(await here.post(here.form() | legacy)).arn == CERTIFICATE
    assert await here.refused(here.form() | legacy | {"AuthSignature": "bm9uZQ=="}) == REFUSED


async def test_delegation_certificates(here: Room) -> None:
    issued = x509.load_pem_x509_certificate(here.vm.credential.certificate)
    assert issued.subject.rfc4514_string() == f"CN={VM},OU=Eucalyptus,O=Cloud,C=US"
    assert isinstance(issued.signature_hash_algorithm, hashes.SHA512)
    assert issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    usage = issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert (issued.not_valid_after_utc - issued.not_valid_before_utc).days == 365
    assert here.authority.has_issued(issued)
    form = {
        "Action": "SignCertificate",
        "Version": exchange.API_VERSION,
        "Principal": VM,
        "Key": base64.b64encode(_spki(here.vm)).decode(),
    }
    told = dialects.fields(await here.post(form | {"Original": "true"}, SYSTEM_KEY))
    original = x509.load_pem_x509_certificate(told["Certificate"].encode())
    constraints = original.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value.ca is True
    assert (original.not_valid_after_utc - original.not_valid_before_utc).days == 180
    assert told["IamCertificate"] == here.authority.pem
    assert await here.refused(form, VM_KEY) == REFUSED
    assert await here.refused(form, STRANGER_KEY) == REFUSED
    assert await here.refused(form | {"Key": "bm9uZQ=="}, SYSTEM_KEY) == (400, "InvalidInput")


async def test_roles_are_assumed_for_vms(here: Room, www: Issued) -> None:
    url = f"{here.place.house.api.sts_url}/"
    role = roles.AssumedRole(ROLE, VM, Keys(SYSTEM_KEY), here.calls, url, clock.SystemClock())
    keys = await role.keys()
    assert await role.keys() is keys
    fetching = client.Client(here.url, here.calls, Given(here.vm), role, clock.SystemClock())
    assert (await fetching.download(CERTIFICATE)).pem.decode().endswith(www.key_pem())
    async with here.place.house.db.transaction() as tx:
        await tx.access_keys.remove(keys.access_key)
    assert (await fetching.download(CERTIFICATE)).pem.decode().endswith(www.key_pem())
    assert (await role.keys()).access_key != keys.access_key
    stranger = roles.AssumedRole(ROLE, VM, Keys(STRANGER_KEY), here.calls, url, clock.SystemClock())
    with pytest.raises(calls.Refused, match="AccessDenied"):
        await stranger.keys()


async def test_a_host_makes_credentials_and_keeps_them(here: Room) -> None:
    directory = await asyncio.to_thread(tempfile.mkdtemp, dir="/dev/shm", prefix="elbflow-test-")
    time_ = clock.ManualClock(time.time())
    making = node.Node(here.url, here.calls, Keys(SYSTEM_KEY), days=100, time=time_, instruments=meters.Meters())
    try:
        path = Path(directory) / VM
        first = await node.NodeCredentials(making, VM, path).get(patiently=True)
        assert first.principal == VM
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert stat.S_IMODE((path / node.FILE).stat().st_mode) == 0o600
        again = node.NodeCredentials(making, VM, path)
        assert (await again.get()).credential == first.credential
        assert again.refused()
        second = await again.get()
        assert second.credential != first.credential
        assert (await again.get()).credential == second.credential
        await time_.advance(81 * 86400)
        third = await again.get()
        assert third.credential not in (first.credential, second.credential)
        (path / node.FILE).write_bytes(b"damaged")
        assert (await node.NodeCredentials(making, VM, path).get()).credential != third.credential
    finally:
        making.close()
        await asyncio.to_thread(shutil.rmtree, directory)


async def test_a_host_goes_on_with_its_credential_while_iam_is_away(here: Room) -> None:
    directory = await asyncio.to_thread(tempfile.mkdtemp, dir="/dev/shm", prefix="elbflow-test-")
    time_ = clock.ManualClock(time.time())
    own = Keys(SYSTEM_KEY)
    making = node.Node(here.url, here.calls, own, days=100, time=time_, instruments=meters.Meters())
    try:
        held = node.NodeCredentials(making, VM, Path(directory) / VM)
        own.key = dataclasses.replace(SYSTEM_KEY, access_key_id="AKIANONE")
        with pytest.raises(calls.Refused, match="InvalidClientTokenId"):
            await held.get()
        own.key = SYSTEM_KEY
        first = await held.get()
        own.key = dataclasses.replace(SYSTEM_KEY, access_key_id="AKIANONE")
        await time_.advance(81 * 86400)
        assert (await held.get()).credential == first.credential
        await time_.advance(20 * 86400)
        with pytest.raises(calls.Refused, match="InvalidClientTokenId"):
            await held.get()
    finally:
        making.close()
        await asyncio.to_thread(shutil.rmtree, directory)


async def test_a_vm_whose_credential_iam_does_not_know_asks_for_another_one(here: Room) -> None:
    strange = await asyncio.to_thread(authorities.create, time.time())
    pem = strange.certify(_spki(here.vm), VM, 1, time.time()).encode()
    held = dataclasses.replace(here.vm.credential, certificate=pem)
    fetching = client.Client(here.url, here.calls, Given(credential.parsed(held)), Keys(VM_KEY), clock.SystemClock())
    with pytest.raises(downloads.NeedsRecycling, match="delegation certificate"):
        await fetching.download(CERTIFICATE)
    wrong_iam = dataclasses.replace(here.vm.credential, iam=strange.pem.encode())
    fetching = client.Client(
        here.url, here.calls, Given(credential.parsed(wrong_iam)), Keys(VM_KEY), clock.SystemClock()
    )
    with pytest.raises(exchange.NotFromIam):
        await fetching.download(CERTIFICATE)
    time_ = clock.ManualClock(here.vm.expires_at + 1)
    with pytest.raises(downloads.NeedsRecycling, match="has expired"):
        await client.Client(here.url, here.calls, Given(here.vm), Keys(VM_KEY), time_).download(CERTIFICATE)


async def test_the_authority_is_one_for_all_front_doors(here: Room) -> None:
    vault, db = await asyncio.to_thread(master_key.load_or_create, here.place.master_key), here.place.house.db
    async with db.transaction() as tx:
        await tx.cloud_resources.remove(names.IAM_AUTHORITY, "service")
    several = [authorities.Authorities(vault) for _ in range(3)]
    found = await asyncio.gather(*(one.get(db, clock.SystemClock()) for one in several))
    assert len({one.pem for one in found}) == 1
    assert found[0].pem != here.authority.pem
    async with db.reading() as tx:
        rows = await tx.cloud_resources.of_kind(names.IAM_AUTHORITY)
    assert len(rows) == 1
    assert "PRIVATE" not in str(rows)
