"""Dates, plurals and directions follow CLDR; an unknown language still speaks."""

from __future__ import annotations

import datetime as dt

import pytest

from newsletter.language import SPOKEN, Language, spoken
from newsletter.resources import PACKAGE

CATALOGUES = sorted((PACKAGE / "locale").glob("*/*.po"))


def test_dates_follow_each_language() -> None:
    day = dt.date(2026, 11, 1)
    assert Language("en", "site").date(day) == "1 November 2026"
    assert Language("de", "site").date(day) == "1. November 2026"
    assert Language("ru", "site").date(day) == "1 ноября 2026\N{NARROW NO-BREAK SPACE}г."


def test_hebrew_runs_from_right_to_left() -> None:
    assert Language("he", "site").direction == "rtl"
    assert Language("en", "site").direction == "ltr"


def test_a_kind_of_a_language_speaks_as_that_does() -> None:
    assert Language("de-AT", "web").gettext("Privacy") == Language("de", "web").gettext("Privacy")
    assert Language("de-AT", "web").gettext("Privacy") != "Privacy"
    assert [spoken(tag) for tag in ("ru", "de-AT", "en-GB", "fr")] == ["ru", "de", "en", None]


def test_a_language_nobody_translated_speaks_english() -> None:
    assert Language("xx", "site").gettext("Articles") == "Articles"


def test_a_language_calls_itself_by_its_own_name() -> None:
    assert [Language(tag, "site").name for tag in SPOKEN] == ["English", "Русский", "Deutsch"]


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_catalogue_has_no_hole_and_no_doubt(path) -> None:  # type: ignore[no-untyped-def]
    from babel.messages.pofile import read_po

    with path.open("rb") as file:
        catalogue = read_po(file, locale=path.parent.name)
    for message in catalogue:
        if not message.id:
            continue
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(texts), f"{path.name}: no translation of {message.id!r}"
        assert not message.fuzzy, f"{path.name}: doubtful translation of {message.id!r}"
