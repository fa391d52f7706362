"""Every word the site says itself is there in every language it speaks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

from newsletter.language import SPOKEN

TOP = Path(__file__).parents[2]
LOCALE = TOP / "src/newsletter/locale"


def said() -> set[str]:
    """Every message in the templates and in the rooms that speak for the site."""
    found: set[str] = set()
    for file in (TOP / "templates/site").rglob("*.html"):
        with file.open("rb") as template:
            found |= {
                _first(message)
                for _, _, message, _ in babel_extract(template, ["_", "ngettext"], [], {})
            }
    keywords = {"gettext": None, "say": None, "ngettext": (1, 2)}
    for room in ("content", "site"):
        for file in (TOP / "src/newsletter" / room).rglob("*.py"):
            found |= {
                _first(message)
                for _, message, _, _ in extract_from_file("python", str(file), keywords=keywords)
            }
    return found


def _first(message: str | tuple[str, ...]) -> str:
    return message if isinstance(message, str) else message[0]


@pytest.mark.parametrize("tag", [tag for tag in SPOKEN if tag != "en"])
def test_nothing_is_left_untranslated_and_nothing_is_translated_in_vain(tag: str) -> None:
    with (LOCALE / tag / "site.po").open("rb") as file:
        catalogue = read_po(file, locale=tag)
    translated = {
        _first(message.id)
        for message in catalogue
        if message.id
        and message.string
        and all(message.string if isinstance(message.string, tuple) else (message.string,))
    }

    assert len(said()) > 40
    assert said() - translated == set()
    assert translated - said() == set()


@pytest.mark.parametrize("tag", [tag for tag in SPOKEN if tag != "en"])
def test_a_translation_keeps_its_places_for_values(tag: str) -> None:
    with (LOCALE / tag / "site.po").open("rb") as file:
        for message in read_po(file, locale=tag):
            places = set(re.findall(r"%\((\w+)\)s", _first(message.id))) if message.id else set()
            strings = message.string if isinstance(message.string, tuple) else (message.string,)
            for string in strings if message.id else ():
                assert set(re.findall(r"%\((\w+)\)s", string)) == places, message.id
