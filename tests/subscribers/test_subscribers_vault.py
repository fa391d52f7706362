"""The vault opens with its own key alone, and its contents cannot be moved or read beside it."""

from __future__ import annotations

import base64
import datetime as dt
import re
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.errors import CouldNotRun
from newsletter.store import Store, tables
from newsletter.subscribers import keyring, rootkey
from newsletter.subscribers.address import Address, read
from newsletter.subscribers.keyring import Keys, Purpose
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import Broken, Vault, unlock

KEYS = Keys(
    RootKey(b"r" * 32), 1, {purpose: {1: purpose.encode().ljust(32, b".")} for purpose in Purpose}
)
VAULT = Vault(KEYS)


def code(error: pytest.ExceptionInfo[CouldNotRun]) -> str:
    return error.value.findings[0].code


def good(text: str) -> Address:
    found = read(text)
    assert isinstance(found, Address)
    return found


@given(st.from_regex(r"[a-z]{1,60}@example\.org", fullmatch=True), st.text(max_size=32))
def test_an_address_comes_back_from_its_own_row_alone(text: str, row: str) -> None:
    sealed = VAULT.seal_address(row, good(text))
    assert VAULT.open_address(row, sealed) == text
    with pytest.raises(Broken):
        VAULT.open_address(row + "x", sealed)


@given(st.data())
def test_any_flipped_bit_of_a_sealed_address_is_noticed(data: st.DataObject) -> None:
    sealed = bytearray(VAULT.seal_address("id", good("reader@example.org")))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Broken):
        VAULT.open_address("id", bytes(sealed))


def test_the_length_of_an_address_does_not_show() -> None:
    lengths = {len(VAULT.seal_address("id", good("a" * n + "@example.org"))) for n in range(1, 18)}
    assert len(lengths) == 1


def test_one_address_sealed_twice_looks_like_two() -> None:
    address = good("reader@example.org")
    assert VAULT.seal_address("id", address) != VAULT.seal_address("id", address)


def test_every_purpose_has_a_hash_of_its_own() -> None:
    address = good("reader@example.org")
    hashes = {VAULT.index(address), VAULT.suppression_key(address), VAULT.evidence_key(address)}
    assert len(hashes) == 3
    assert VAULT.index(good("READER@EXAMPLE.ORG")) in hashes


ONE, TWO = "0a" * 16, "0a" * 15 + "0b"


def test_a_message_id_is_the_same_for_ever_and_says_nothing() -> None:
    one, two = VAULT.message_ids([ONE, TWO], "letter.example.org")
    assert [one] == VAULT.message_ids([ONE], "letter.example.org")
    assert one[:9] != two[:9]
    assert re.fullmatch(r"<[0-9a-f]{32}@letter\.example\.org>", one)


@settings(deadline=None)
@given(st.lists(st.binary(min_size=16, max_size=16), unique=True, max_size=40))
def test_a_message_id_reads_back_to_its_delivery_and_to_no_other(ids: list[bytes]) -> None:
    names = [each.hex() for each in ids]
    made = VAULT.message_ids(names, "letter.example.org")
    assert [VAULT.delivery_named(each.strip("<>")) for each in made] == names
    assert len(set(made)) == len(names)


@pytest.mark.parametrize(
    "name", ["", "@", "0a" * 15, "0A" * 16, "0a" * 17, "0g" * 16, "0a" * 16 + "\n", "۰" * 32]
)
def test_what_has_not_the_form_of_a_message_id_names_no_delivery(name: str) -> None:
    assert VAULT.delivery_named(f"{name}@letter.example.org") is None


def test_another_key_reads_another_delivery() -> None:
    (made,) = VAULT.message_ids([ONE], "letter.example.org")
    other = Vault(Keys(VAULT.root, 1, {**KEYS.of, Purpose.MESSAGE_ID: {1: b"m" * 32}}))
    assert other.delivery_named(made.strip("<>")) != ONE


def test_keys_are_random_and_survive_a_new_start(
    store: Store, root: RootKey, now: dt.datetime
) -> None:
    first = unlock(store, root, now)
    token = first.mail_token(b"12345678")
    again = unlock(store, root, now)
    assert again.read_mail_token(token) == b"12345678"
    with store.read() as tx:
        wrapped = tx.execute(sa.select(tables.keyring.c.wrapped)).scalars().all()
        keys = keyring.opened(tx, root)
    assert keys is not None
    plain = [key for generations in keys.of.values() for key in generations.values()]
    assert len(set(plain)) == len(Purpose)
    assert not any(key in bytes(blob) for key in plain for blob in wrapped)


def test_a_wrong_key_is_told_and_nothing_is_written(
    store: Store, root: RootKey, now: dt.datetime
) -> None:
    unlock(store, root, now)

    def everything() -> list[object]:
        with store.read() as tx:
            return [tx.execute(sa.select(table)).all() for table in tables.metadata.sorted_tables]

    before = everything()
    with pytest.raises(CouldNotRun) as error:
        unlock(store, RootKey(b"w" * 32), now)
    assert code(error) == "NL506"
    assert everything() == before


def test_a_keyring_that_is_gone_or_damaged_is_told(
    store: Store, root: RootKey, now: dt.datetime
) -> None:
    unlock(store, root, now)
    with store.write() as tx:
        tx.execute(tables.keyring.update().values(wrapped=b"\0" * 60))
    with pytest.raises(CouldNotRun) as error:
        unlock(store, root, now)
    assert code(error) == "NL509"
    with store.write() as tx:
        tx.execute(tables.keyring.delete())
        tx.execute(tables.facts.delete())
        tx.execute(tables.suppressions.insert().values(key=b"k" * 32, reason="left", since=now))
    with pytest.raises(CouldNotRun) as error:
        unlock(store, root, now)
    assert code(error) == "NL509"


def test_a_wrapped_key_cannot_take_another_purpose(
    store: Store, root: RootKey, now: dt.datetime
) -> None:
    unlock(store, root, now)
    table = tables.keyring
    with store.write() as tx:
        token = tx.execute(
            sa.select(table.c.wrapped).where(table.c.purpose == "token")
        ).scalar_one()
        tx.execute(table.update().where(table.c.purpose == "index").values(wrapped=token))
    with pytest.raises(CouldNotRun) as error:
        unlock(store, root, now)
    assert code(error) == "NL509"


def test_a_new_key_file_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "key"
    made = rootkey.new(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert rootkey.read({"NEWSLETTER_KEY_FILE": str(path)}) == made
    assert len(base64.b64decode(path.read_text())) == 32
    with pytest.raises(CouldNotRun) as error:
        rootkey.new(path)
    assert code(error) == "NL507"
    assert rootkey.load(path) == made


def test_no_key_named_no_such_file_no_place_to_write(tmp_path: Path) -> None:
    with pytest.raises(CouldNotRun) as error:
        rootkey.read({})
    assert code(error) == "NL501"
    with pytest.raises(CouldNotRun) as error:
        rootkey.read({"NEWSLETTER_KEY_FILE": str(tmp_path / "none")})
    assert code(error) == "NL502"
    (tmp_path / "file").touch()
    with pytest.raises(CouldNotRun) as error:
        rootkey.new(tmp_path / "file" / "key")
    assert code(error) == "NL508"


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    rootkey.new(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(CouldNotRun) as error:
        rootkey.load(tmp_path / "key")
    assert code(error) == "NL503"


def test_a_key_that_systemd_lends_may_be_its_group_s_and_nobody_else_s(tmp_path: Path) -> None:
    path = tmp_path / "credentials" / "newsletter.key"
    path.parent.mkdir()
    rootkey.new(path)
    path.chmod(0o440)
    environ = {"NEWSLETTER_KEY_FILE": str(path)}
    lent = environ | {"CREDENTIALS_DIRECTORY": str(path.parent)}
    assert rootkey.read(lent).path == path
    with pytest.raises(CouldNotRun):
        rootkey.read(environ)
    with pytest.raises(CouldNotRun):
        rootkey.read(environ | {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    path.chmod(0o444)
    with pytest.raises(CouldNotRun):
        rootkey.read(lent)


@pytest.mark.parametrize(
    "content", [b"", b"short", b"\xff" * 44, b"A" * 43, base64.b64encode(b"x" * 31), b"A" * 9999]
)
def test_a_file_that_holds_no_key_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(CouldNotRun) as error:
        rootkey.load(tmp_path / "key")
    assert code(error) == "NL504"


def test_a_key_may_not_lie_with_the_data(tmp_path: Path) -> None:
    publication, database = tmp_path / "letter", tmp_path / "data" / "newsletter.db"
    for folder in (publication / "deep", database.parent):
        folder.mkdir(parents=True)
    rootkey.new(tmp_path / "key", publication=publication, database=database)
    link = tmp_path / "link"
    link.symlink_to(publication)
    for place in (publication / "deep" / "key", database.parent / "key", link / "key"):
        with pytest.raises(CouldNotRun) as error:
            rootkey.new(place, publication=publication, database=database)
        assert code(error) == "NL505"
        assert not place.exists()
    inside = rootkey.new(publication / "key")
    assert inside.path is not None
    with pytest.raises(CouldNotRun) as error:
        rootkey.load(inside.path, publication=publication)
    assert code(error) == "NL505"


def test_keys_do_not_print_themselves() -> None:
    root = RootKey(b"secret-secret-secret-secret-1234")
    shown = f"{root!r} {root} {VAULT!r} {KEYS!r} {good('reader@example.org')!r}"
    assert "secret" not in shown
    assert "field..." not in shown
