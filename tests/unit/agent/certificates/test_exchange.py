"""The recorded exchange, step by step, and what becomes of changed ones (spec/vm-agent-data-plane 7.2 to 7.7)."""

from __future__ import annotations

import base64
import dataclasses
import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tests.unit.agent.certificates.conftest import Recorded
from tests.unit.agent.certificates.record_vector import NOW, VM, counted

from elbflow_agent.certificates import credential, dialects, exchange, handover
from elbflow_api.iam import authority


def node_key(recorded: Recorded) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(recorded.values["node_key"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def test_the_credential_string_is_opened_by_its_node(recorded: Recorded) -> None:
    text, held = recorded.values["credential_string"], recorded.vm.credential
    assert handover.opened(text, node_key(recorded)) == held
    lines = handover.sealed(held, node_key(recorded).public_key(), counted()).split("\n")
    before = text.split("\n")
    assert [lines[index] == before[index] for index in range(6)] == [True, True, True, False, True, True]
    # Two texts under one key need two nonces; the original has one.
    assert base64.b64decode(lines[2])[:12] != base64.b64decode(lines[4])[:12]


@pytest.mark.parametrize("line", [2, 3, 4])
def test_a_changed_credential_string_is_refused_in_the_same_words(recorded: Recorded, line: int) -> None:
    lines = recorded.values["credential_string"].split("\n")
    damaged = bytearray(base64.b64decode(lines[line]))
    damaged[-1] ^= 1
    lines[line] = base64.b64encode(damaged).decode()
    with pytest.raises(credential.UnusableCredential, match="cannot be opened"):
        handover.opened("\n".join(lines), node_key(recorded))
    with pytest.raises(credential.UnusableCredential, match="has 6 lines, this one 5"):
        handover.opened("\n".join(lines[:5]), node_key(recorded))


def test_a_floppy_has_slots_of_fixed_width(recorded: Recorded) -> None:
    values = json.loads(recorded.values["floppy"])
    assert {name: len(value) for name, value in values.items()} == dict(credential.SLOTS)
    assert values["iam_token"].strip() == "NULL"
    assert credential.written(recorded.vm.credential).decode() == recorded.values["floppy"]
    assert recorded.vm.principal == VM
    assert recorded.vm.expires_at == NOW + 3650 * 86400
    with pytest.raises(credential.UnusableCredential, match="instance_pk has 4000 characters"):
        credential.written(dataclasses.replace(recorded.vm.credential, key=b"k" * 3000))
    assert "PRIVATE" not in repr(recorded.vm)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"instance_pub_key": 1}', b"\0" * 100])
def test_what_is_no_floppy_is_refused(text: bytes) -> None:
    with pytest.raises(credential.UnusableCredential):
        credential.read(text)


def test_a_key_must_belong_to_its_certificate(recorded: Recorded) -> None:
    held = recorded.vm.credential
    other = handover.opened(recorded.values["credential_string"], node_key(recorded))
    with pytest.raises(credential.UnusableCredential, match="do not belong together"):
        credential.parsed(dataclasses.replace(other, key=recorded.values["node_key"].encode()))
    with pytest.raises(credential.UnusableCredential, match="cannot be read"):
        credential.parsed(dataclasses.replace(held, iam=b"none"))


def test_the_request_is_signed_as_recorded(recorded: Recorded) -> None:
    assert exchange.parameters(recorded.question, recorded.vm) == recorded.values["request"]
    form = exchange.parameters(recorded.question_2, recorded.vm)
    assert form == recorded.values["request_2"]
    assert form["Timestamp"] == "2026-05-28T20:26:35Z", "five seconds in the past (REQ-7.5)"
    signature = base64.b64decode(form["Signature"])
    text = f"{form['CertificateArn']}&{form['Timestamp']}".encode()
    recorded.vm.key.public_key().verify(signature, text, padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("dialect", ["answer", "answer_original"])
def test_both_dialects_are_opened(recorded: Recorded, dialect: str) -> None:
    answer = dialects.download(recorded.values[dialect].encode())
    assert exchange.opened(answer, recorded.question, recorded.vm) == recorded.bundle
    # A server that knows version 1 alone answers so to a question of version 2 too.
    assert exchange.opened(answer, recorded.question_2, recorded.vm) == recorded.bundle
    assert "PRIVATE" not in repr(answer)


def test_version_2_is_opened_by_who_asked_alone(recorded: Recorded) -> None:
    answer = dialects.download(recorded.values["answer_2"].encode())
    assert exchange.opened(answer, recorded.question_2, recorded.vm) == recorded.bundle
    with pytest.raises(exchange.BadAnswer, match="version that was not asked for"):
        exchange.opened(answer, recorded.question, recorded.vm)
    other = dataclasses.replace(recorded.question_2, nonce="another-nonce-than-that")
    with pytest.raises(exchange.BadAnswer, match="not signed by IAM"):
        exchange.opened(answer, other, recorded.vm)
    with pytest.raises(exchange.BadAnswer, match="not signed by IAM"):
        exchange.opened(dataclasses.replace(answer, version=""), recorded.question_2, recorded.vm)


def test_a_vm_of_a_cloud_that_speaks_version_2_takes_no_answer_of_version_1(recorded: Recorded) -> None:
    """It could be one from long ago, or to another question: nothing in it says which."""
    assert not recorded.vm.speaks_2, "recorded as with the original, whose VMs have certificates of a CA"
    vm = dataclasses.replace(recorded.vm, speaks_2=True)
    old = dialects.download(recorded.values["answer"].encode())
    with pytest.raises(exchange.BadAnswer, match="version 1"):
        exchange.opened(old, recorded.question_2, vm)
    assert exchange.opened(old, recorded.question, vm) == recorded.bundle, "which was asked for"
    new = dialects.download(recorded.values["answer_2"].encode())
    assert exchange.opened(new, recorded.question_2, vm) == recorded.bundle


@pytest.mark.parametrize("original", [True, False])
def test_a_credential_tells_which_version_its_iam_speaks(recorded: Recorded, original: bool) -> None:
    key = recorded.vm.key.public_key()
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    issued = authority.create(NOW).certify(encoded, VM, 30, NOW, original=original)
    held = dataclasses.replace(recorded.vm.credential, certificate=issued.encode())
    assert credential.parsed(held).speaks_2 is not original


@pytest.mark.parametrize("field", ["server_certificate", "server_pk", "signature"])
def test_an_answer_that_iam_did_not_sign_is_not_opened(recorded: Recorded, field: str) -> None:
    answer = dialects.download(recorded.values["answer"].encode())
    text = getattr(answer, field)
    changed = dataclasses.replace(answer, **{field: ("B" if text[0] == "A" else "A") + text[1:]})
    with pytest.raises(exchange.BadAnswer, match="not signed by IAM"):
        exchange.opened(changed, recorded.question, recorded.vm)
    with pytest.raises(exchange.BadAnswer, match="another certificate"):
        exchange.opened(answer, dataclasses.replace(recorded.question, arn="arn:else"), recorded.vm)


def signed_anew(
    recorded: Recorded, answer: exchange.Answer, iam: rsa.RSAPrivateKey
) -> tuple[exchange.Answer, Recorded]:
    """``answer`` as an IAM with another key would sign it, and a VM that believes that one."""
    text = f"{answer.server_certificate}&{answer.server_pk}".encode()
    signature = base64.b64encode(iam.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()
    vm = dataclasses.replace(recorded.vm, iam=iam.public_key())
    return dataclasses.replace(answer, signature=signature), dataclasses.replace(recorded, vm=vm)


def test_whatever_is_wrong_with_a_private_key_is_told_in_the_same_words(recorded: Recorded) -> None:
    """What is wrong in detail would help whoever tries (REQ-7.2)."""
    answer, iam = dialects.download(recorded.values["answer"].encode()), node_key(recorded)
    wrapped, sealed = answer.server_pk.split("\n")
    damaged = bytearray(base64.b64decode(sealed))
    damaged[-20] ^= 1
    foreign = base64.b64encode(iam.public_key().encrypt(b"k" * 32, padding.PKCS1v15())).decode()
    short = base64.b64encode(recorded.vm.key.public_key().encrypt(b"k" * 16, padding.PKCS1v15())).decode()
    for pair in (
        (foreign, sealed),
        (short, sealed),
        (wrapped, base64.b64encode(damaged).decode()),
        (wrapped, "?"),
        (wrapped, base64.b64encode(b"short").decode()),
    ):
        changed, believer = signed_anew(recorded, dataclasses.replace(answer, server_pk="\n".join(pair)), iam)
        with pytest.raises(exchange.BadAnswer) as caught:
            exchange.opened(changed, recorded.question, believer.vm)
        assert str(caught.value) == "the private key cannot be opened"
    for server_pk in (wrapped, f"{wrapped}\n{sealed}\n{sealed}"):
        changed, believer = signed_anew(recorded, dataclasses.replace(answer, server_pk=server_pk), iam)
        with pytest.raises(exchange.BadAnswer, match="malformed"):
            exchange.opened(changed, recorded.question, believer.vm)


def test_the_key_must_be_the_leafs(recorded: Recorded) -> None:
    answer, iam = dialects.download(recorded.values["answer"].encode()), node_key(recorded)
    chain_first = base64.b64decode(answer.server_certificate).split(b"-----END CERTIFICATE-----\n")[1]
    for content, told in ((chain_first, "not that of the certificate"), (b"none", "certificate cannot be read")):
        body = base64.b64encode(content).decode()
        changed, believer = signed_anew(recorded, dataclasses.replace(answer, server_certificate=body), iam)
        with pytest.raises(exchange.BadAnswer, match=told):
            exchange.opened(changed, recorded.question, believer.vm)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "not XML"),
        (b"<a>", "not XML"),
        (b'<?xml version="1.0" encoding="base64"?><a/>', "not XML"),
        (b'<?xml version="1.0" encoding="shift_jis"?><a/>', "not XML"),
        (b"<!DOCTYPE a [<!ENTITY e 'e'>]><a>&e;</a>", "document type"),
        (b"<a><CertificateArn>x</CertificateArn></a>", "no ServerCertificate"),
        (b"x" * (dialects.LARGEST + 1), "more than"),
    ],
)
def test_what_is_no_answer_is_refused(body: bytes, told: str) -> None:
    with pytest.raises(dialects.NotXml, match=told):
        dialects.download(body)
