"""Blocks that compute: prices over months, and the number to call."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

from newsletter import content
from newsletter.config import Settings
from newsletter.content import emergency, prose
from newsletter.content.model import Source

HERE = Source("content/articles/a.en.md", 1, "0" * 64)
PRICES = '::: price EUR 1 3 "What it may cost"\n| What | Price | Times |\n|---|--:|--:|\n| Infusion | 450 | 2 |\n| Blood test | 39.50 | 1 |\n:::\n'


def rows(element: ET.Element) -> list[list[str]]:
    return [["".join(cell.itertext()) for cell in row] for row in element.iter("tr")]


def test_prices_are_multiplied_out_and_added_up() -> None:
    read = prose.parse(PRICES, source=HERE)

    assert read.findings == ()
    assert rows(read.root) == [
        ["What", "Price", "Times", "1 month", "3 months"],
        ["Infusion", "€450", "2", "€900", "€2,700"],
        ["Blood test", "€39.50", "1", "€39.50", "€118.50"],
        ["Together", "€939.50", "€2,818.50"],
    ]


def test_prices_are_written_as_the_language_writes_them() -> None:
    read = prose.parse(PRICES, source=HERE, language="de")

    assert rows(read.root)[-1] == ["Zusammen", "939,50\xa0€", "2.818,50\xa0€"]


@pytest.mark.parametrize(
    "body",
    [
        PRICES.replace("EUR ", ""),
        PRICES.replace("EUR 1 3", "EUR"),
        PRICES.replace("EUR 1 3", "EUR 0"),
        PRICES.replace("EUR 1 3", "EUR 999"),
        PRICES.replace("450", "about 450"),
        PRICES.replace("450", "-450"),
        PRICES.replace("| 2 |", "|"),
        "::: price EUR 1\nNothing.\n:::\n",
    ],
)
def test_what_cannot_be_added_up_is_told(body: str) -> None:
    read = prose.parse(body, source=HERE)

    assert [(finding.code, finding.where and finding.where.line) for finding in read.findings] == [
        ("NL241", 1)
    ]


@pytest.mark.parametrize(
    ("zone", "number"),
    [
        ("Europe/Berlin", "112"),
        ("America/New_York", "911"),
        ("Europe/London", "999"),
        ("Australia/Sydney", "000"),
        ("UTC", "112"),
    ],
)
def test_the_number_to_call_is_that_of_the_publications_country(zone: str, number: str) -> None:
    assert emergency.number(zone) == number


def test_an_emergency_card_names_the_number_and_a_phone_can_dial_it(
    publication: Callable[..., Settings], now: dt.datetime
) -> None:
    body = '::: care emergency "Call {emergency} now if:"\n- it hurts\n\nCall {emergency}.\n:::\n'
    text = f"---\ntitle: A\nsummary: B\npublished: 2026-11-01\nreview: pending\n---\n{body}"
    settings = publication({"content/articles/a.en.md": text})
    file = settings.root / "newsletter.toml"
    file.write_text(file.read_text("utf-8").replace("Europe/Berlin", "America/New_York"), "utf-8")
    from newsletter import config

    catalogue = content.load(config.load(settings.root), now)

    html = catalogue.reading(catalogue.articles[0]).fragment
    assert "Call 911 now if:" in html
    assert '<a href="tel:911">911</a>' in html


def test_a_checklist_is_a_list_or_a_table() -> None:
    read = prose.parse(
        '::: checklist "To bring"\n- a\n- b\n\n| Test | Valid |\n|---|---|\n| ECG | 1 month |\n:::\n',
        source=HERE,
    )

    section = read.root[0]
    assert section.get("class") == "checklist"
    assert [child.tag for child in section] == ["h3", "ul", "table"]
    assert 'class="table" role="region" tabindex="0" aria-label="Table"' in read.html()
