"""The pages are whole, honest, reachable in every language, and ask nobody else for anything."""

from __future__ import annotations

import datetime as dt
import hashlib
import html as html_module
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import feedparser
import html5lib
import pytest
from site_files import FILES, article

from newsletter import config, site
from newsletter.config import Settings


def configured(settings: Settings, old: str, new: str, more: str = "") -> Settings:
    """The same publication with another setting, and `more` at the end."""
    file = settings.root / "newsletter.toml"
    file.write_text(file.read_text("utf-8").replace(old, new) + more, "utf-8")
    return config.load(settings.root)


def page(out: Path, path: str) -> str:
    return (
        (out / path.strip("/") / "index.html").read_text("utf-8")
        if path.endswith("/")
        else (out / path.lstrip("/")).read_text("utf-8")
    )


def every_page(out: Path) -> list[Path]:
    found = sorted(out.rglob("*.html"))
    assert found
    return found


def test_every_page_is_html_without_an_error(built: Path) -> None:
    for file in every_page(built):
        parser = html5lib.HTMLParser(strict=False)
        parser.parse(file.read_text("utf-8"))
        assert parser.errors == [], (file, parser.errors)


def test_every_link_inside_leads_to_a_page_that_is_there(built: Path) -> None:
    for file in every_page(built):
        for address in re.findall(r'(?:href|src)="(/[^"#]*)', file.read_text("utf-8")):
            if address == "/forms/ask.js":
                continue  # the forms' own, beside the site
            target = (
                built / address.lstrip("/") / "index.html"
                if address.endswith("/")
                else built / address.lstrip("/")
            )
            assert target.is_file(), (file, address)


def test_every_anchor_inside_leads_to_an_element_that_is_there(built: Path) -> None:
    for file in every_page(built):
        html = file.read_text("utf-8")
        ids = re.findall(r'\bid="([^"]+)"', html)
        assert len(ids) == len(set(ids)), file
        for anchor in re.findall(r'href="#([^"]+)"', html):
            assert anchor in ids, (file, anchor)


def test_no_page_names_another_host_except_in_a_link_to_follow(built: Path) -> None:
    for file in every_page(built):
        html = re.sub(r'<a [^>]*href="https?://[^"]*"', "", file.read_text("utf-8"))
        html = re.sub(r'<script type="application/ld\+json">.*?</script>', "", html)
        html = re.sub(r'(?:href|action|content|xmlns)="http://127\.0\.0\.1:8000[^"]*"', "", html)
        assert "http:" not in html, file
        assert "https:" not in html, file


def test_no_page_has_a_style_or_a_script_of_its_own(built: Path) -> None:
    for file in every_page(built):
        html = file.read_text("utf-8")
        assert not re.search(
            r"<style|<script(?! type=\"application/ld\+json\"| src=\"/forms/ask\.js\" defer></script>)|\sstyle=|\son\w+=",
            html,
        ), file


def test_an_article_says_that_nobody_has_reviewed_it(built: Path) -> None:
    html = page(built, "/articles/cells/")

    assert "Clinical review pending" in html
    assert "no clinician has checked this page yet" in html


def test_an_article_shows_what_its_editor_wrote_and_nothing_unescaped(built: Path) -> None:
    html = page(built, "/articles/cells/")

    assert "<h1>Cells &amp; more</h1>" in html
    assert '<a href="/articles/tests/#how">tests</a>' in html
    assert '<a href="/about/">about</a>' in html
    assert 'aria-label="Two cells"' in html
    assert 'role="img"' in html
    assert "1 November 2026" in html


def test_a_draft_a_waiting_and_an_expired_article_are_nowhere(
    letter: Settings, now: dt.datetime, tmp_path: Path
) -> None:
    report = site.build(letter, now, tmp_path / "public")

    for file in (tmp_path / "public").rglob("*"):
        if file.is_file():
            assert not re.search(rb"A draft|Later|About Gone", file.read_bytes()), file
    assert dict(report.left_out) == {"draft": 1, "waiting": 1, "expired": 1}
    assert report.next_change == dt.datetime(2026, 11, 30, 23, tzinfo=dt.UTC)


def test_a_waiting_article_appears_when_its_moment_has_come(
    letter: Settings, now: dt.datetime, tmp_path: Path
) -> None:
    out = tmp_path / "public"
    first = site.build(letter, now, out)
    assert first.next_change is not None

    site.build(letter, first.next_change, out)

    assert "Later" in page(out, "/")


def test_drafts_are_shown_when_asked_for(
    letter: Settings, now: dt.datetime, tmp_path: Path
) -> None:
    site.build(letter, now, tmp_path / "public", drafts=True)

    assert "A draft" in page(tmp_path / "public", "/articles/")


def test_a_withdrawn_article_stays_and_says_so_and_is_listed_nowhere(built: Path) -> None:
    html = page(built, "/articles/withdrawn/")

    assert "The advice has changed." in html
    assert 'content="noindex"' in html
    assert "Withdrawn" not in page(built, "/articles/")
    assert "withdrawn" not in page(built, "/sitemap.xml")


def test_an_old_address_leads_on(built: Path) -> None:
    html = page(built, "/old/tests/")

    assert 'content="0; url=/articles/tests/"' in html
    assert 'rel="canonical" href="http://127.0.0.1:8000/articles/tests/"' in html


def test_languages_of_one_article_know_each_other(built: Path) -> None:
    for path in ("/articles/cells/", "/ru/articles/cells/"):
        html = page(built, path)
        assert (
            '<link rel="alternate" hreflang="en" href="http://127.0.0.1:8000/articles/cells/">'
            in html
        )
        assert (
            '<link rel="alternate" hreflang="ru" href="http://127.0.0.1:8000/ru/articles/cells/">'
            in html
        )
        assert 'hreflang="x-default" href="http://127.0.0.1:8000/articles/cells/"' in html
    assert '<a href="/ru/articles/cells/" lang="ru" hreflang="ru">Русский</a>' in page(
        built, "/articles/cells/"
    )
    assert '<a href="/de/" lang="de" hreflang="de">Deutsch</a>' in page(built, "/articles/cells/")


def test_an_article_without_translations_has_no_alternates(built: Path) -> None:
    assert 'rel="alternate" hreflang' not in page(built, "/articles/tests/")


def test_a_language_without_an_article_says_so_in_that_language(built: Path) -> None:
    assert "noch nichts erschienen" in page(built, "/de/")


def test_a_translation_older_than_its_original_says_so(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    settings = publication(
        {
            "content/articles/a.en.md": article("A"),
            "content/articles/a.ru.md": article("А", f"translation_of: {'0' * 64}"),
        }
    )
    site.build(settings, now, tmp_path / "public")

    assert "Этот перевод старше оригинала" in page(tmp_path / "public", "/ru/articles/a/")
    assert "notice" not in page(tmp_path / "public", "/articles/a/")


def test_the_form_asks_for_consent_in_the_words_that_hold_now(built: Path) -> None:
    for path in ("/", "/subscribe/", "/articles/cells/"):
        html = page(built, path)
        assert '<form class="ask" method="post" action="http://127.0.0.1:8000/subscribe">' in html
        assert "I agree &lt;b&gt;explicitly&lt;/b&gt;." in html
        assert "first words" not in html
        assert re.search(r'name="wording" value="[0-9a-f]{64}"', html)
        box = re.search(r'<input type="checkbox"[^>]*>', html)
        assert box is not None
        assert "checked" not in box[0]
        assert "required" in box[0]
        trap = re.search(r'<input name="website"[^>]*>', html)
        assert trap is not None
        assert 'tabindex="-1"' in trap[0]


def test_a_language_without_a_wording_has_no_form(built: Path) -> None:
    assert "<form" not in page(built, "/ru/subscribe/")
    assert "Форма пока закрыта" in page(built, "/ru/subscribe/")


def test_the_feed_reads_as_the_newest_articles(built: Path) -> None:
    feed = feedparser.parse((built / "atom.xml").read_bytes())

    assert feed.bozo == 0
    assert [entry.title for entry in feed.entries] == ["Tests", "Cells & more"]
    assert feed.entries[1].link == "http://127.0.0.1:8000/articles/cells/"
    assert feed.entries[1].id == "tag:127.0.0.1,2026-10-31:en/cells"
    assert 'href="http://127.0.0.1:8000/articles/tests/#how"' in feed.entries[1].content[0].value
    assert feed.feed.updated == "2026-11-09T23:00:00Z"
    assert feedparser.parse((built / "ru/atom.xml").read_bytes()).feed.language == "ru"


def test_the_sitemap_lists_what_readers_may_find(built: Path) -> None:
    root = ET.fromstring((built / "sitemap.xml").read_bytes())

    listed = [
        element.text for element in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")
    ]
    assert "http://127.0.0.1:8000/ru/articles/cells/" in listed
    assert not [address for address in listed if address and ("404" in address or "old" in address)]
    for address in listed:
        assert address is not None
        assert (
            built / address.removeprefix("http://127.0.0.1:8000").strip("/") / "index.html"
        ).is_file()


def test_a_missing_page_is_answered_in_each_language(built: Path) -> None:
    assert "This page is not here" in page(built, "/404.html")
    assert "Такой страницы здесь нет" in page(built, "/ru/404.html")


def test_a_site_below_a_folder_keeps_its_links_there(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    settings = configured(
        publication(FILES), "http://127.0.0.1:8000", "https://letter.example.org/cells"
    )
    site.build(settings, now, tmp_path / "public")

    html = page(tmp_path / "public", "/articles/cells/")
    inside = re.findall(r'(?:href|src)="(/[^"]*)"', html)
    assert inside
    assert all(address.startswith("/cells/") for address in inside)
    assert '<link rel="canonical" href="https://letter.example.org/cells/articles/cells/">' in html


def test_a_right_to_left_language_is_set_from_the_right(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    settings = configured(
        publication({"content/articles/a.ar.md": article("خلايا")}),
        '["en", "ru", "de"]',
        '["en", "ar"]',
    )
    site.build(settings, now, tmp_path / "public")

    assert '<html lang="ar" dir="rtl">' in page(tmp_path / "public", "/ar/articles/a/")


@pytest.mark.parametrize("path", ["/", "/articles/cells/", "/subscribe/"])
def test_a_page_weighs_little(built: Path, path: str) -> None:
    html = page(built, path)
    style = re.search(r'<link rel="stylesheet" href="/([^"]+)"', html)
    assert style is not None

    assert len(html.encode()) + (built / style[1]).stat().st_size <= 60_000


@pytest.mark.parametrize(
    ("digest", "said"),
    [
        ("", "Reviewed"),
        (hashlib.sha256(b"A text.\n").hexdigest(), "Reviewed"),
        ("0" * 64, "Changed since its clinical review"),
    ],
)
def test_an_edit_after_the_review_takes_the_reviews_badge_away(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path, digest: str, said: str
) -> None:
    review = f"review: {{last: 2026-10-01, by: [{{name: Ada}}], digest: '{digest}'}}"
    text = article("A", body="A text.\n").replace("review: pending", review)
    site.build(publication({"content/articles/a.en.md": text}), now, tmp_path / "public")

    badge = re.search(
        r'<li class="badge[^>]*>([\w ]+?)\s*<', page(tmp_path / "public", "/articles/a/")
    )
    assert badge is not None
    assert badge[1] == said


@pytest.mark.parametrize("folder", ["", "topics/cells/"])
def test_three_kinds_of_feed_say_the_same(built: Path, folder: str) -> None:
    atom = feedparser.parse((built / folder / "atom.xml").read_bytes())
    rss = feedparser.parse((built / folder / "rss.xml").read_bytes())
    row = json.loads((built / folder / "feed.json").read_bytes())

    def said(entries: list[Any]) -> list[tuple[str, str, str]]:
        return [(one["id"], one["link"], one["title"]) for one in entries]

    assert (atom.bozo, rss.bozo, rss.version) == (0, 0, "rss20")
    assert len(atom.entries) == 2
    assert said(atom.entries) == said(rss.entries)
    assert said(atom.entries) == [(one["id"], one["url"], one["title"]) for one in row["items"]]
    assert row["version"] == "https://jsonfeed.org/version/1.1"
    assert row["items"][0]["date_published"] == "2026-11-09T23:00:00Z"
    assert "<script" not in row["items"][0]["content_html"]


def _words(row: Any) -> list[str]:
    """Every value of a JSON document that is not a name of schema.org's."""
    if isinstance(row, dict):
        return [
            word for key, value in row.items() if not key.startswith("@") for word in _words(value)
        ]
    if isinstance(row, list):
        return [word for value in row for word in _words(value)]
    return [str(row)]


def test_what_machines_are_told_is_what_readers_see(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    text = article(
        "Cells </script> & more",
        "updated: 2026-11-03",
        "authors: [{name: Grace Hopper, credentials: MD}]",
        "references: {a: {title: A study, year: 2024, doi: 10.1000/x}, b: {text: Alone}}",
        body="One. [@a] Two. [@b]\n",
    ).replace(
        "review: pending",
        "review: {last: 2026-10-01, next: 2027-10-01, by: [{name: Ada Lovelace, credentials: PhD}]}",
    )
    site.build(publication({"content/articles/a.en.md": text}), now, tmp_path / "public")

    html = page(tmp_path / "public", "/articles/a/")
    found = re.findall(r'<script type="application/ld\+json">(.*?)</script>', html)
    assert len(found) == 1
    row = json.loads(found[0])
    assert row["@type"] == "MedicalWebPage"
    assert row["lastReviewed"] == "2026-10-01"
    assert row["reviewedBy"] == [{"@type": "Person", "name": "Ada Lovelace"}]
    assert row["citation"] == [
        {
            "@type": "ScholarlyArticle",
            "name": "A study",
            "url": "https://doi.org/10.1000/x",
            "datePublished": "2024",
        }
    ]
    seen = html_module.unescape(html.replace(found[0], ""))
    for word in _words(row):
        assert word in seen, word


def test_a_review_that_is_pending_is_not_claimed(built: Path) -> None:
    row = re.search(
        r'<script type="application/ld\+json">(.*?)</script>', page(built, "/articles/cells/")
    )

    assert row is not None
    assert "lastReviewed" not in row[1]
    assert "reviewedBy" not in row[1]


def test_a_shared_link_says_what_it_is(built: Path) -> None:
    html = page(built, "/articles/cells/")

    assert '<meta property="og:title" content="Cells &amp; more">' in html
    assert '<meta property="og:type" content="article">' in html
    assert '<meta property="og:url" content="http://127.0.0.1:8000/articles/cells/">' in html
    assert '<meta property="og:type" content="website">' in page(built, "/")


def test_the_forms_script_is_named_only_where_it_is_of_the_same_origin(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    for number, (url, forms, named) in enumerate(
        (
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "/forms/ask.js"),
            ("https://a.example.org/one", "https://a.example.org/in", "/in/forms/ask.js"),
            ("https://a.example.org", "https://b.example.org", None),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8001", None),
        )
    ):
        settings = configured(
            publication(FILES),
            '"http://127.0.0.1:8000"\n',
            f'"{url}"\n',
            f'\n[web]\npublic_url = "{forms}"\n',
        )
        out = tmp_path / f"public-{number}"
        site.build(settings, now, out)
        html = page(out, "/subscribe/")
        scripts = re.findall(r"<script.*?</script>", html)
        assert scripts == ([f'<script src="{named}" defer></script>'] if named else [])
        assert f'action="{forms}/subscribe"' in html
        assert "<script" not in page(out, "/about/")


def test_a_text_leads_to_the_form_that_asks_what_is_held(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    text = "---\ntitle: T\n---\n[Ask](held:), [fragen](held:@de).\n"
    settings = publication({**FILES, "content/pages/held.en.md": text})
    site.build(settings, now, tmp_path / "public")
    html = page(tmp_path / "public", "/held/")
    assert '<a href="http://127.0.0.1:8000/data?lang=en">Ask</a>' in html
    assert '<a href="http://127.0.0.1:8000/data?lang=de">fragen</a>' in html
