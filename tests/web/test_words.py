"""Every word of the forms in every language that the program speaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from tests.web.house import House, form

from newsletter import resources
from newsletter.language import SPOKEN
from newsletter.web import speech

KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}


def messages() -> Iterator[str]:
    """Every message in the templates and the code of the room."""
    for folder, pattern, method in (
        (resources.templates("web")[-1], "*.html", "jinja2.ext:babel_extract"),
        (resources.PACKAGE / "web", "*.py", "python"),
    ):
        for path in sorted(folder.glob(pattern)):
            with path.open("rb") as file:
                for _, message, _, _ in extract(method, file, KEYWORDS):
                    yield message if isinstance(message, str) else message[0]


def catalogue(tag: str) -> Path:
    return resources.PACKAGE / "locale" / tag / "web.po"


@pytest.mark.parametrize("tag", [tag for tag in SPOKEN if tag != "en"])
def test_the_catalogue_has_every_message_and_no_other(tag: str) -> None:
    with catalogue(tag).open("rb") as file:
        known = {
            message.id if isinstance(message.id, str) else message.id[0]: message
            for message in read_po(file, locale=tag)
            if message.id
        }
    assert set(known) == set(messages())
    for message in known.values():
        strings = [message.string] if isinstance(message.string, str) else message.string
        assert all(strings), message.id
        assert not message.fuzzy
        assert not list(message.check())


@pytest.mark.parametrize(
    ("asked", "own", "accept", "chosen"),
    [
        (None, None, "", "en"),
        ("de", "ru", "ru", "de"),
        ("xx", "ru", "de", "ru"),
        (None, None, "de-AT,de;q=0.9,en;q=0.8", "de"),
        (None, None, "fr;q=0.9, ru;q=0.5, en;q=0.1", "ru"),
        (None, None, "ru;q=0, de;q=0.1", "de"),
        (None, None, "ru;q=nonsense, de", "de"),
        (None, None, ";;,,q=1", "en"),
        ("<script>", "' OR 1", "ru" * 10_000, "en"),
    ],
)
def test_the_language_is_the_one_asked_for_then_the_readers_then_the_browsers(
    asked: str | None, own: str | None, accept: str, chosen: str
) -> None:
    assert speech.choose(("en", "ru", "de"), asked, own, accept) == chosen


@pytest.mark.parametrize("tag", SPOKEN)
def test_every_page_names_its_language(house: House, tag: str) -> None:
    token = house.mail_token(house.reader(language=tag))
    for answer in (
        house.get("/subscribe", query=f"lang={tag}"),
        house.post("/subscribe", form("b@example.org", tag)),
        house.get(f"/leave/{token}"),
        house.post(f"/leave/{token}"),
        house.get("/preferences/x", query=f"lang={tag}"),
        house.get("/nowhere", headers={"Accept-Language": tag}),
    ):
        if answer.header("content-language") is not None:
            assert f'<html lang="{tag}" dir="ltr">' in answer.text
            assert answer.header("content-language") == tag
