"""Whoever handles readers' addresses stands on the built privacy page, in every language, by itself."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from site_files import FILES
from tests.conftest import TOML

from newsletter import site
from newsletter.config import Settings

PRIVACY = {
    f"content/pages/privacy.{tag}.md": f"---\ntitle: {title}\nsummary: S.\nmenu: footer\n---\n## In short\n\nA text.\n\n## Two\n\nB.\n"
    for tag, title in {"en": "Privacy", "ru": "О данных", "de": "Datenschutz"}.items()
}
NAMED = """
[processors.SendGrid]
host = "api.eu.sendgrid.com"
purpose = "carries <the> mail"
agreement_date = 2026-10-01
region = "EU"

[processors.Archive]
host = "backup.provider.net"
purpose = "keeps encrypted backups"
agreement_date = "2025-02-28"
region = "Germany"
"""
PAGES = {"en": "privacy", "ru": "ru/privacy", "de": "de/privacy"}
SAID = {
    "en": ("Who works for us", "· Agreement of 1 October 2026</li>"),
    "ru": ("Кто работает по нашему поручению", "· Договор от 1 октября 2026 г.</li>"),
    "de": ("Wer in unserem Auftrag arbeitet", "· Vertrag vom 1. Oktober 2026</li>"),
}


def build(
    publication: Callable[..., Settings], tmp_path: Path, now: dt.datetime, more: str
) -> Callable[[str], str]:
    out = tmp_path / "public"
    site.build(publication({**FILES, **PRIVACY}, toml=TOML + more), now, out)

    def text_of(path: str) -> str:
        return (out / path / "index.html").read_text("utf-8")

    return text_of


@pytest.mark.parametrize("tag", PAGES)
def test_a_processor_is_named_with_host_purpose_region_and_agreement(
    publication: Callable[..., Settings], tmp_path: Path, now: dt.datetime, tag: str
) -> None:
    page = build(publication, tmp_path, now, NAMED)(PAGES[tag])
    heading, agreement = SAID[tag]
    assert page.count(f'<a href="#named-processors">{heading}</a>') == 2  # wide and narrow
    section = page[page.index('<h2 id="named-processors">') :]
    assert f">{heading}</h2>" in section
    assert agreement in re.sub("[\u00a0\u202f]", " ", section)
    rows = re.findall(r"<li><strong>(.+?)</strong> \((.+?)\): (.+?) ·", section)
    span = "<span>" if tag == "en" else '<span lang="en">'
    assert rows == [
        ("Archive", "backup.provider.net", f"{span}keeps encrypted backups</span>"),
        ("SendGrid", "api.eu.sendgrid.com", f"{span}carries &lt;the&gt; mail</span>"),
    ]


def test_without_a_processor_nothing_is_said_and_no_other_page_says_it(
    publication: Callable[..., Settings], tmp_path: Path, now: dt.datetime
) -> None:
    assert "processors" not in build(publication, tmp_path, now, "")("privacy")
    assert "sendgrid.com" not in build(publication, tmp_path, now, NAMED)("about")


def test_the_promise_beside_the_form_is_the_one_that_is_kept(
    publication: Callable[..., Settings], tmp_path: Path, now: dt.datetime
) -> None:
    wording = {"content/consent/en/1.md": "I agree."}
    for more, kept in ((NAMED, "stands on the privacy page"), ("", "goes to nobody else")):
        out = tmp_path / "public"
        site.build(publication({**FILES, **PRIVACY, **wording}, toml=TOML + more), now, out)
        home = (out / "index.html").read_text("utf-8")
        assert kept in home
        assert home.count("stored encrypted") == 1


def test_a_new_processor_changes_the_page_of_an_unchanged_text(
    publication: Callable[..., Settings], tmp_path: Path, now: dt.datetime
) -> None:
    assert "sendgrid.com" not in build(publication, tmp_path, now, "")("ru/privacy")
    assert "sendgrid.com" in build(publication, tmp_path, now, NAMED)("ru/privacy")
    assert "sendgrid.com" not in build(publication, tmp_path, now, "")("ru/privacy")
