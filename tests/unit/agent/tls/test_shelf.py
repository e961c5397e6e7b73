"""Key files and what listeners get: held, written, recalled, and never taken away by what comes later."""

from __future__ import annotations

import asyncio
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.agent.tls_peers import Shelf as Source
from tests.integration.agent.tls_peers import bundle, certificate, ec_key, key_text

from elbflow import clock
from elbflow_agent.certificates import private
from elbflow_agent.certificates.model import Bundle, Nowhere
from elbflow_agent.haproxy import keys, model, place, safe, shelf, tls

ONE, TWO = "arn:aws:iam::000000000001:server-certificate/one", "arn:aws:iam::000000000001:server-certificate/two"
TLS = tls.negotiated(None)[0]


class LateClock(clock.SystemClock):
    """A hundred days from now."""

    def now(self) -> float:
        return super().now() + 100 * 86400


@pytest.fixture
def where(tmp_path: Path) -> Iterator[place.Place]:
    there = place.Place(Path("/run/elbflow") / tmp_path.name[-20:])
    yield there
    shutil.rmtree(there.key_directory, ignore_errors=True)


def serving(**certificates: model.Certificate) -> model.Model:
    """``p443=…`` is a listener with that certificate."""
    listeners = [
        model.Listener(int(name[1:]), model.Mode.TCP, tls=TLS, certificate=each) for name, each in certificates.items()
    ]
    return model.Model("127.0.0.1", 60, tuple(listeners))


async def stocked(where: place.Place, *bundles: Bundle) -> tuple[shelf.Shelf, keys.Keys, Source]:
    source, held = Source(), keys.Keys(where)
    source.put(*bundles)
    made = shelf.Shelf(source, held, clock.SystemClock())
    await made.want(frozenset({ONE, TWO}))
    await made.refresh()
    return made, held, source


def listing(directory: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}


async def test_files_are_private_and_follow_the_model(where: place.Place) -> None:
    made, held, _ = await stocked(where, bundle(ONE, "one"))
    one = made.usable(ONE, 443).certificate
    await held.write(serving(p443=one, p8443=one))
    found = await asyncio.to_thread(listing, where.key_directory)
    assert found == {"443.pem": 0o600, "8443.pem": 0o600}
    async with held.staged(serving(p444=one)) as apart:
        assert apart.key_file(444).read_bytes().endswith(held.material(one).pem)
        assert not where.key_file(444).exists()
    await held.write(serving(p443=one))
    assert set(await asyncio.to_thread(listing, where.key_directory)) == {"443.pem", "8443.pem"}
    await held.prune(serving(p443=one))
    assert set(await asyncio.to_thread(listing, where.key_directory)) == {"443.pem"}
    await held.prune(model.Model("127.0.0.1"))
    assert await asyncio.to_thread(listing, where.key_directory) == {}
    await held.destroy()
    assert not where.key_directory.exists()


async def test_a_write_can_be_undone(where: place.Place) -> None:
    made, held, source = await stocked(where, bundle(ONE, "one"))
    await held.write(serving(p443=made.usable(ONE, 443).certificate))
    before = where.key_file(443).read_bytes()
    source.put(bundle(ONE, "renewed"))
    await made.refresh()
    renewed = made.usable(ONE, 443).certificate
    former = await held.write(serving(p443=renewed, p444=renewed))
    assert where.key_file(443).read_bytes() != before
    await held.restore(former)
    assert where.key_file(443).read_bytes() == before
    assert not where.key_file(444).exists()
    assert await held.write(serving(p443=renewed)) == {where.key_file(443): before}
    assert await held.write(serving(p443=renewed)) == {}


async def test_no_directory_without_certificates(where: place.Place) -> None:
    held = keys.Keys(where)
    assert await held.write(model.Model("127.0.0.1")) == {}
    assert not where.key_directory.exists()
    assert await held.recall() == {}


async def test_what_was_served_is_recalled_and_what_cannot_be_read_is_not(where: place.Place) -> None:
    odd = 'arn "of\n-----BEGIN CERTIFICATE-----'
    made, held, source = await stocked(where, bundle(ONE, "one"), bundle(TWO, "two"))
    source.put(bundle(odd, "odd"))
    await made.want(frozenset({ONE, TWO, odd}))
    await made.refresh()
    wanted = serving(
        p443=made.usable(ONE, 443).certificate,
        p444=made.usable(TWO, 444).certificate,
        p445=made.usable(odd, 445).certificate,
    )
    await held.write(wanted)
    where.key_file(444).write_bytes(where.key_file(444).read_bytes()[:-100])
    again = shelf.Shelf(Nowhere(), keys.Keys(where), clock.SystemClock())
    await again.recall()
    assert again.usable(ONE, 443) == tls.Usable(wanted.certificates[443], elliptic=True)
    assert again.usable(odd, 445) == tls.Usable(wanted.certificates[445], elliptic=True)
    with pytest.raises(tls.Unusable, match="has not been fetched yet"):
        again.usable(TWO, 444)
    where.key_file(443).write_bytes(b"")
    assert 443 not in await held.recall()


async def test_a_directory_that_others_can_enter_holds_no_keys(where: place.Place) -> None:
    await asyncio.to_thread(private.made, where.key_directory)
    where.key_directory.chmod(0o755)
    made, held, _ = await stocked(where, bundle(ONE, "one"))
    with pytest.raises(tls.Unusable, match=r"there is no place for keys: .* must be a directory with mode 0700"):
        made.usable(ONE, 443)
    assert await held.recall() == {}
    where.key_directory.chmod(0o700)
    await made.refresh()
    assert made.usable(ONE, 443).remark is None


async def test_keys_never_go_to_a_disk(tmp_path: Path) -> None:
    if await asyncio.to_thread(private.is_in_memory, tmp_path):
        pytest.skip("the temporary directory is in memory")
    made, _, _ = await stocked(place.Place(tmp_path, tmp_path / "keys"), bundle(ONE, "one"))
    with pytest.raises(tls.Unusable, match="is on a disk"):
        made.usable(ONE, 443)


async def test_what_comes_later_never_takes_a_certificate_away(where: place.Place) -> None:
    made, _, source = await stocked(where, bundle(ONE, "one"))
    one = made.usable(ONE, 443)
    assert one.remark is None
    with pytest.raises(tls.Unusable, match="nobody has"):
        made.usable(TWO, 444)
    made.served({443: one.certificate})
    moved = made.usable(TWO, 443)
    assert (moved.certificate, moved.remark) == (one.certificate, f"nobody has {TWO}; the former one is served")
    source.put(Bundle.of(ONE, certificate("x", ec_key()) + key_text(ec_key())))
    await made.refresh()
    broken = made.usable(ONE, 443)
    assert broken.certificate == one.certificate
    assert broken.remark is not None
    assert "does not belong to the certificate; the former one is served" in broken.remark
    source.put(bundle(ONE, "renewed"))
    await made.refresh()
    assert made.usable(ONE, 443).remark is None
    assert made.usable(ONE, 443).certificate != one.certificate


async def test_what_is_wanted_no_more_is_forgotten(where: place.Place) -> None:
    made, held, source = await stocked(where, bundle(ONE, "one"))
    one = made.usable(ONE, 443).certificate
    made.served({443: one})
    await made.want(frozenset())
    await made.refresh()
    assert held.material(one).arn == ONE
    made.served({})
    with pytest.raises(keys.Forgotten):
        held.material(one)
    assert source.wanted == [frozenset({ONE, TWO}), frozenset()]


async def test_an_expired_certificate_is_served_and_remarked_upon(where: place.Place) -> None:
    source, held = Source(), keys.Keys(where)
    source.put(bundle(ONE, "one"))
    made = shelf.Shelf(source, held, LateClock())
    await made.want(frozenset({ONE}))
    await made.refresh()
    assert made.usable(ONE, 443).remark == f"certificate {ONE} has expired"


def test_models_take_no_certificate_without_tls_and_no_suite_twice() -> None:
    one = model.Certificate("ab" * 32, "AB" * 20)
    bad = [
        lambda: model.Listener(443, model.Mode.TCP, certificate=one),
        lambda: model.Certificate("ab", "AB" * 20),
        lambda: model.Certificate("ab" * 32, "ab" * 20),
        lambda: model.Tls(model.TlsVersion.V1_2, model.TlsVersion.V1_0, ("AES128-SHA",)),
        lambda: model.Tls(model.TlsVersion.V1_2, model.TlsVersion.V1_2, ()),
        lambda: model.Tls(model.TlsVersion.V1_2, model.TlsVersion.V1_2, ("AES128-SHA",) * 2),
        lambda: model.Tls(model.TlsVersion.V1_2, model.TlsVersion.V1_2, ("AES128-SHA:aNULL",)),
        lambda: model.Tls(model.TlsVersion.V1_2, model.TlsVersion.V1_2, ("@SECLEVEL=0",)),
    ]
    for make in bad:
        with pytest.raises(safe.Unrepresentable):
            make()
