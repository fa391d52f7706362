"""One gate: what passes is what we can send to; what it is found by folds case and nothing more."""

from __future__ import annotations

import unicodedata

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.subscribers.address import Address, Refusal, read

LOCAL = st.from_regex(
    r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[a-zA-Z0-9+_-]{1,10}){0,3}", fullmatch=True
)
DOMAIN = st.sampled_from(
    ["example.org", "EXAMPLE.com", "mail.example.net", "пример.рф", "bücher.example.org",
     "xn--e1afmkfd.xn--p1ai", "example", "localhost", "a..b", "-a.org", "a.test", "[127.0.0.1]", ""]
)  # fmt: skip


def good(text: str) -> Address:
    found = read(text)
    assert isinstance(found, Address), found
    return found


@pytest.mark.parametrize(
    ("text", "mailbox", "key"),
    [
        ("Reader@Example.ORG", "Reader@example.org", "reader@example.org"),
        ("  a@example.org\r\n", "a@example.org", "a@example.org"),
        ("a+tag@example.org", "a+tag@example.org", "a+tag@example.org"),
        ("a.b@example.org", "a.b@example.org", "a.b@example.org"),
        ("user@пример.рф", "user@xn--e1afmkfd.xn--p1ai", "user@xn--e1afmkfd.xn--p1ai"),
        ("=1+1@example.org", "=1+1@example.org", "=1+1@example.org"),
    ],
)
def test_what_passes_keeps_its_spelling_and_has_one_key(text: str, mailbox: str, key: str) -> None:
    assert (good(text).mailbox, good(text).key) == (mailbox, key)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", Refusal.EMPTY),
        (" \t", Refusal.EMPTY),
        ("a" * 65 + "@example.org", Refusal.TOO_LONG),
        ("a@" + "b" * 60 + ("." + "c" * 60) * 4 + ".org", Refusal.TOO_LONG),
        ("ж" * 33 + "@example.org", Refusal.TOO_LONG),
        ("a" * 100_000, Refusal.TOO_LONG),
        ("a@example.org\0", Refusal.CONTROL),
        ("a\r\nBcc: b@example.org@example.org", Refusal.CONTROL),
        ("a@exam\u200bple.org", Refusal.CONTROL),
        ("a\u202e@example.org", Refusal.CONTROL),
        ("a@b@example.org", Refusal.MALFORMED),
        ("a@example", Refusal.MALFORMED),
        ("a@localhost", Refusal.MALFORMED),
        ("a@[127.0.0.1]", Refusal.MALFORMED),
        ('"a b"@example.org', Refusal.MALFORMED),
        ("A Reader <a@example.org>", Refusal.MALFORMED),
        ("a@example.org, b@example.org", Refusal.MALFORMED),
        ("a.@example.org", Refusal.MALFORMED),
        ("@example.org", Refusal.MALFORMED),
        ("a@", Refusal.MALFORMED),
        ("a", Refusal.MALFORMED),
        ("a@exa mple.org", Refusal.MALFORMED),
        ("a'; DROP TABLE subscribers; --@example.org", Refusal.MALFORMED),
    ],
)
def test_what_we_cannot_send_to_is_refused_with_its_reason(text: str, why: Refusal) -> None:
    assert read(text) is why


def test_a_local_part_beyond_ascii_passes_only_where_it_can_be_carried() -> None:
    found = good("Жанна@example.org")
    assert found.smtputf8
    assert found.mailbox == "Жанна@example.org"
    assert read("Жанна@example.org", smtputf8=False) is Refusal.NEEDS_SMTPUTF8
    assert not good("user@пример.рф").smtputf8


@pytest.mark.parametrize("lookalike", ["ſam@example.org", "sаm@example.org", "ß@example.org"])
def test_a_letter_that_folds_or_looks_like_ascii_is_another_mailbox(lookalike: str) -> None:
    neighbours = {good("sam@example.org").key, good("ss@example.org").key}
    assert good(lookalike).key not in neighbours


def test_composed_and_decomposed_letters_are_one_address() -> None:
    composed, decomposed = "é@example.org", unicodedata.normalize("NFD", "é@example.org")
    assert composed != decomposed
    assert good(composed).key == good(decomposed).key


@given(LOCAL, DOMAIN)
@example("a", "xn--a.org")
@example("a", "a.xn--p1ai.")
def test_the_short_way_for_ascii_says_what_email_validator_says(local: str, domain: str) -> None:
    text = f"{local}@{domain}"
    try:
        wanted = validate_email(text, check_deliverability=False, strict=True)
        expected: str | None = f"{wanted.local_part}@{(wanted.ascii_domain or '').lower()}"
    except EmailNotValidError:
        expected = None
    found = read(text)
    assert (found.mailbox if isinstance(found, Address) else None) == expected


@given(st.text(max_size=60))
def test_whatever_comes_in_is_an_address_or_a_refusal_and_stays_one(text: str) -> None:
    found = read(text)
    if isinstance(found, Address):
        assert read(found.mailbox) == found
        assert "\n" not in found.mailbox


@given(LOCAL)
def test_case_never_makes_two_readers(local: str) -> None:
    one, other = read(f"{local.upper()}@example.org"), read(f"{local.lower()}@EXAMPLE.ORG")
    if isinstance(one, Address) and isinstance(other, Address):
        assert one.key == other.key


def test_an_address_does_not_print_itself() -> None:
    assert "reader" not in f"{good('reader@example.org')!r} {good('reader@example.org')}"


def test_a_mailbox_of_several_people_is_hinted_at() -> None:
    assert good("Info@example.org").is_role
    assert not good("ida@example.org").is_role
