"""A token names a row, serves one purpose, and nobody else can make one."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.subscribers.tokens import Purpose, make, read

KEY, OLD, OTHER = b"k" * 32, b"o" * 32, b"x" * 32
NAMES = st.binary(min_size=8, max_size=8)
PURPOSES = st.sampled_from(Purpose)


@given(NAMES, PURPOSES)
def test_a_token_comes_back_as_its_name(name: bytes, purpose: Purpose) -> None:
    token = make(KEY, purpose, name)
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", token)
    assert read([KEY], purpose, token) == name


@given(NAMES, PURPOSES, st.integers(0, 191))
def test_any_flipped_bit_has_no_effect(name: bytes, purpose: Purpose, bit: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(make(KEY, purpose, name)))
    raw[bit // 8] ^= 1 << bit % 8
    assert read([KEY], purpose, base64.urlsafe_b64encode(raw).decode()) is None


@given(NAMES, st.integers(0, 31), st.characters())
def test_any_changed_character_has_no_effect(name: bytes, place: int, character: str) -> None:
    token = make(KEY, Purpose.MAIL, name)
    changed = token[:place] + character + token[place + 1 :]
    assert read([KEY], Purpose.MAIL, changed) == (name if changed == token else None)


@given(st.text(max_size=40))
def test_no_text_that_we_did_not_make_is_a_token(text: str) -> None:
    assert read([KEY], Purpose.MAIL, text) is None


@given(NAMES, PURPOSES, PURPOSES)
def test_a_token_serves_its_own_purpose_only(name: bytes, made: Purpose, asked: Purpose) -> None:
    found = read([KEY], asked, make(KEY, made, name))
    assert found == (name if made is asked else None)


@given(NAMES)
def test_tokens_of_older_keys_still_work_and_those_of_strangers_do_not(name: bytes) -> None:
    assert read([KEY, OLD], Purpose.MAIL, make(OLD, Purpose.MAIL, name)) == name
    assert read([KEY, OLD], Purpose.MAIL, make(OTHER, Purpose.MAIL, name)) is None


def test_the_same_token_has_one_spelling() -> None:
    token = make(KEY, Purpose.MAIL, b"12345678")
    for other in (token + "=", token + "\n", " " + token, token.replace("-", "+"), token + "A"):
        assert read([KEY], Purpose.MAIL, other) == (b"12345678" if other == token else None)


@pytest.mark.parametrize("name", [b"", b"1234567", b"123456789"])
def test_only_eight_bytes_can_be_named(name: bytes) -> None:
    with pytest.raises(ValueError, match="eight"):
        make(KEY, Purpose.MAIL, name)
