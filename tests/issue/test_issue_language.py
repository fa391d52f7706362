"""Every sentence the mail says by itself is said in every interface language."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from newsletter import resources
from newsletter.issue import view
from newsletter.language import SPOKEN, Language

SOURCES = [Path(view.__file__)]


def said() -> set[str]:
    """Every message in the sources, found as gettext finds it."""
    found: set[str] = set()
    for source in SOURCES:
        keywords = {"gettext": None, "_": None, "ngettext": (1, 2)}
        for _, message, _, _ in extract(
            "python", io.BytesIO(source.read_bytes()), keywords=keywords
        ):
            found.add(message if isinstance(message, str) else message[0])
    return found


@pytest.mark.parametrize("tag", [tag for tag in SPOKEN if tag != "en"])
def test_the_catalogue_is_complete_and_holds_nothing_else(tag: str) -> None:
    with (resources.PACKAGE / "locale" / tag / "mail.po").open("rb") as file:
        catalogue = read_po(file, locale=tag)
    messages = {m.id if isinstance(m.id, str) else m.id[0]: m for m in catalogue if m.id}
    assert set(messages) == said()
    for id_, message in messages.items():
        for text in [message.string] if isinstance(message.string, str) else message.string:
            assert text, id_
            assert sorted(re.findall(r"%\(\w+\)s", text)) == sorted(
                re.findall(r"%\(\w+\)s", id_)
            ), id_


def test_plurals_follow_the_language() -> None:
    russian = Language("ru", "mail")
    said = [
        russian.ngettext("Read · %(n)s minute", "Read · %(n)s minutes", n) for n in (1, 3, 5, 21)
    ]
    assert said == [
        "Читать · 1 минута",
        "Читать · 3 минуты",
        "Читать · 5 минут",
        "Читать · 21 минута",
    ]


def test_a_kind_of_the_editors_own_stands_as_it_was_written() -> None:
    assert view.kind_name("press-release", Language("de", "mail")) == "Pressemitteilung"
    assert view.kind_name("podcast", Language("de", "mail")) == "podcast"
