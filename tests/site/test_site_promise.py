"""The promise page: a row for each month from the public chain, in every language; nothing of a chain that does not hold."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from site_files import FILES

from newsletter import site
from newsletter.config import Settings
from newsletter.issue import chain
from newsletter.issue.chain import Chain, Event

TITLES = {"en": "Our promise", "ru": "Наше обещание", "de": "Unser Versprechen"}
PAGES: dict[str, str | bytes] = {
    f"content/pages/promise.{tag}.md": f"---\ntitle: {title}\nsummary: S.\nmenu: footer\n---\n## How\n\nA text.\n\n## What\n\nB.\n"
    for tag, title in TITLES.items()
}
PATHS = {"en": "promise", "ru": "ru/promise", "de": "de/promise"}
SAID = {
    "en": ("Month by month", "October 2026", "12,345", "being sent"),
    "ru": ("Месяц за месяцем", "октябрь 2026", "12\xa0345", "в пути"),
    "de": ("Monat für Monat", "Oktober 2026", "12.345", "wird verschickt"),
}


def lines() -> bytes:
    told, made = Chain(), b""

    def say(event: Event, period: str, at: dt.datetime, **said: object) -> None:
        nonlocal told, made
        line = chain.following(told, event, period, at, **said)
        told, made = chain.read_on(told, line), made + line

    opened = dt.datetime(2026, 9, 5, 9, tzinfo=dt.UTC)
    totals = dict(zip(chain.TOTALS, ("<5", "<5", 0, 0, 0, 0, 0), strict=True))
    say(Event.OPENED, "2026-09", opened, audience="<5", manifest="1a" * 32, number=1)
    say(Event.HALTED, "2026-09", opened)
    say(Event.CLOSED, "2026-09", opened, totals=totals)
    opened = opened.replace(month=10)
    totals = dict(zip(chain.TOTALS, (12345, 12300, 0, 0, 45, 0, 0), strict=True))
    say(Event.OPENED, "2026-10", opened, audience=12345, manifest="2b" * 32, number=2)
    say(Event.CLOSED, "2026-10", opened, totals=totals)
    say(Event.OPENED, "2026-11", opened.replace(month=11), audience=0, manifest="3c" * 32, number=3)
    return made


@pytest.fixture
def build(
    publication: Callable[..., Settings], tmp_path: Path, now: dt.datetime
) -> Callable[..., tuple[Path, site.BuildReport]]:
    def make(
        data: bytes | None, pages: dict[str, str | bytes] = PAGES
    ) -> tuple[Path, site.BuildReport]:
        record = {"content/record/chain.jsonl": data} if data is not None else {}
        settings = publication({**FILES, **pages, **record})
        return tmp_path / "public", site.build(settings, now, tmp_path / "public")

    return make


Build = Callable[..., tuple[Path, site.BuildReport]]


@pytest.mark.parametrize("tag", PATHS)
def test_each_month_has_its_row_with_what_proves_it(build: Build, tag: str) -> None:
    out, _ = build(lines())
    page = (out / PATHS[tag] / "index.html").read_text("utf-8")
    heading, month, audience, open_now = SAID[tag]
    rows = re.findall(r"<tr>\s*<th scope=\"row\">.*?</tr>", page, re.DOTALL)

    assert page.count(f'<a href="#months">{heading}</a>') == 2  # wide and narrow
    assert len(rows) == 3
    assert open_now in rows[0]
    assert month in rows[1]
    assert f'<td class="right">{audience}</td>' in rows[1]
    assert "2b2b2b2b2b2b…" in rows[1]
    assert rows[2].count("1–4") == 2


def test_the_file_and_its_last_fingerprint_are_there(build: Build) -> None:
    data = lines()
    out, _ = build(data)
    page = (out / "promise/index.html").read_text("utf-8")

    assert (out / "issues/chain.jsonl").read_bytes() == data
    assert 'href="/issues/chain.jsonl" download="chain.jsonl"' in page
    assert hashlib.sha256(data.splitlines(keepends=True)[-1]).hexdigest() in page
    assert "has 6 lines" in page


def test_before_the_first_letter_the_page_says_so(build: Build) -> None:
    out, report = build(None)

    assert "No letter has been sent yet" in (out / "promise/index.html").read_text("utf-8")
    assert not (out / "issues/chain.jsonl").exists()
    assert report.warnings == ()


def test_a_chain_that_does_not_hold_is_shown_to_nobody(build: Build) -> None:
    out, report = build(lines().replace(b"2b2b", b"2c2c"))
    page = (out / "promise/index.html").read_text("utf-8")

    assert "<table" not in page
    assert "The record is being checked" in page
    assert {finding.code for finding in report.warnings} == {"NL660"}


def test_a_story_that_cannot_be_is_shown_to_nobody(
    build: Build, publication: Callable[..., Settings]
) -> None:
    opened = dt.datetime(2026, 9, 5, 9, tzinfo=dt.UTC)
    line = chain.following(
        Chain(), Event.OPENED, "2026-10", opened, audience=9, manifest="1a" * 32, number=1
    )
    out, report = build(line)

    assert "<table" not in (out / "promise/index.html").read_text("utf-8")
    assert {finding.code for finding in report.warnings} == {"NL661"}


def test_numbers_are_published_only_where_a_page_tells_of_them(build: Build) -> None:
    out, _ = build(lines(), {})

    assert not (out / "issues/chain.jsonl").exists()
