"""What a page says to machines, it says to its readers too; and no title can break out of it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import feedparser
import html5lib
from site_files import article

from newsletter import site
from newsletter.config import Settings

HOSTILE = '</script><script>alert(1)</script> "&<b>'
ADDRESSES = ("@context", "@type", "url")


def told(values: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every value that is words or a date, with its key."""
    if isinstance(values, dict):
        for name, value in values.items():
            yield from told(value, name)
    elif isinstance(values, list):
        for value in values:
            yield from told(value, key)
    elif key not in ADDRESSES:
        yield key, str(values)


def test_every_value_for_machines_stands_on_the_page_as_well(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    text = article(
        f"'{HOSTILE}'",
        "updated: 2026-11-05",
        "authors: [{name: Ada King, credentials: MD}]",
        "references: {one: {title: A <study>, journal: J, year: 2020, doi: 10.1000/x}, two: {text: Words}}",
        body="## One\n\nA text. [@one; @two]\n",
    ).replace("review: pending", "review: {last: 2026-11-10, by: [{name: Bo Reviewer}]}")
    out = tmp_path / "public"
    site.build(publication({"content/articles/a.en.md": text}), now, out)

    page = html5lib.parse(
        (out / "articles/a/index.html").read_text("utf-8"), namespaceHTMLElements=False
    )
    scripts = list(page.iter("script"))
    assert [each.get("type") for each in scripts] == ["application/ld+json"]
    data = json.loads(scripts[0].text)
    body = " ".join("".join(page.find("body").itertext()).split())
    dates = {each.get("datetime") for each in page.find("body").iter("time")}
    assert data["@type"] == "MedicalWebPage"
    assert "aspect" not in data
    assert {"lastReviewed", "reviewedBy", "medicalAudience", "isPartOf", "citation"} <= data.keys()
    values = list(told(data))
    assert HOSTILE in [value for _, value in values]
    for key, value in values:
        if key == "inLanguage":
            assert page.get("lang") == value
        elif key in ("lastReviewed", "dateModified") or (key, value) == (
            "datePublished",
            data["datePublished"],
        ):
            assert value in dates, key
        else:
            assert " ".join(value.split()) in body, (key, value)


def test_an_author_is_a_person_and_a_team_is_none(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    names = "{name: Ada King}, {name: Редакция}, {name: Test letter}, {name: The ward, role: team}"
    files = {"content/articles/a.en.md": article("A", f"authors: [{names}]")}
    site.build(publication(files), now, tmp_path / "public")

    html = (tmp_path / "public/articles/a/index.html").read_text("utf-8")
    (script,) = html5lib.parse(html, namespaceHTMLElements=False).iter("script")
    assert [each["@type"] for each in json.loads(script.text or "")["author"]] == [
        "Person",
        "Organization",
        "Organization",
        "Organization",
    ]


def test_a_hostile_title_stays_words_in_every_feed(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    out = tmp_path / "public"
    files = {"content/articles/a.en.md": article(f"'{HOSTILE}'")}
    site.build(publication(files), now, out)

    for name in ("atom.xml", "rss.xml"):
        read = feedparser.parse((out / name).read_bytes(), sanitize_html=False)
        assert not read.bozo, name
        entry = read.entries[0]
        assert entry.title == HOSTILE, name
        assert entry.link == "http://127.0.0.1:8000/articles/a/"
    assert json.loads((out / "feed.json").read_bytes())["items"][0]["title"] == HOSTILE
