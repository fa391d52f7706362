"""Feeds of every make, and of none."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from newsletter.news.collect import MOST_ITEMS
from newsletter.news.item import Feed, Kind, State
from newsletter.news.parse import parse

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
FEED = Feed("j", "A Journal", Kind.JOURNAL, "en", path="feeds/j.xml")


def rss(*items: str) -> bytes:
    return f'<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>T</title>{"".join(items)}</channel></rss>'.encode()


def item(title: str = "A title", link: str = "https://j.example/1", **more: str) -> str:
    fields = {"title": title, "link": link, **more}
    return f"<item>{''.join(f'<{k}>{v}</{k}>' for k, v in fields.items())}</item>"


def test_rss_gives_items_with_date_and_excerpt() -> None:
    body = rss(
        item(
            pubDate="Sat, 14 Nov 2026 10:00:00 GMT",
            description="&lt;p&gt;One &lt;b&gt;two&lt;/b&gt;&lt;/p&gt;",
        )
    )
    read = parse(body, FEED, NOW)
    (found,) = read.items
    assert (found.title, found.url, found.date, found.dated) == (
        "A title", "https://j.example/1", dt.date(2026, 11, 14), True,
    )  # fmt: skip
    assert found.excerpt == "One two"
    assert found.id.startswith("j-")
    assert read.health.state is State.OK


def test_atom_with_relative_links_is_resolved_by_where_it_came_from() -> None:
    body = b"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>t</title>
    <entry><id>tag:j.example,2026:1</id><title type="html">A &lt;i&gt;title&lt;/i&gt;</title>
    <link href="/papers/1"/><updated>2026-11-10T00:00:00Z</updated></entry></feed>"""
    (found,) = parse(body, FEED, NOW, location="https://j.example/atom.xml").items
    assert found.url == "https://j.example/papers/1"
    assert found.title == "A title"


def test_a_broken_feed_keeps_its_good_items_and_says_so() -> None:
    body = rss(item("Good"), item("Tom & Jerry", "https://j.example/2"))[:-20]
    read = parse(body, FEED, NOW)
    assert [each.title for each in read.items] == ["Good", "Tom & Jerry"]
    assert read.health.state is State.DEGRADED
    assert "broken" in read.health.problem


@pytest.mark.parametrize(
    "body", [b"", b"<html><body>Please log in</body></html>", b"{}", b"\x00\xff", b"plain"]
)
def test_what_is_no_feed_fails_with_a_reason(body: bytes) -> None:
    read = parse(body, FEED, NOW)
    assert read.items == ()
    assert read.health.state is State.FAILED
    assert "no feed" in read.health.problem


def test_an_item_without_a_usable_link_is_dropped_and_counted() -> None:
    read = parse(rss(item("Bad", "javascript:alert(1)"), item("Good")), FEED, NOW)
    assert [each.title for each in read.items] == ["Good"]
    assert (read.health.state, read.health.dropped) == (State.DEGRADED, 1)


def test_a_future_date_is_clamped_and_no_date_is_marked() -> None:
    body = rss(
        item("Future", "https://j.example/1", pubDate="Fri, 01 Jan 2099 00:00:00 GMT"),
        item("Never", "https://j.example/2", pubDate="soon"),
    )
    future, never = parse(body, FEED, NOW).items
    assert (future.date, future.dated) == (NOW.date(), True)
    assert (never.date, never.dated) == (NOW.date(), False)


def test_letters_in_the_wrong_encoding_are_read_right() -> None:
    body = rss(item("Schöne Grüße")).decode().encode("latin-1")
    read = parse(body, FEED, NOW)
    assert read.items[0].title == "Schöne Grüße"


def test_an_entity_bomb_is_not_expanded() -> None:
    entities = '<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 10}">' for n in range(9)
    )
    body = f'<?xml version="1.0"?><!DOCTYPE rss [{entities}]><rss version="2.0"><channel>{item("&j;")}</channel></rss>'
    read = parse(body.encode(), FEED, NOW)
    assert all(len(each.title) < 300 for each in read.items)


def test_a_flood_is_cut() -> None:
    read = parse(
        rss(*(item(f"Title number {n}", f"https://j.example/{n}") for n in range(2000))), FEED, NOW
    )
    assert len(read.items) == MOST_ITEMS
    assert "2000 items" in read.health.problem


def test_an_id_does_not_change_when_the_headline_does() -> None:
    guid = {"guid": "10.1000/abc"}
    (before,) = parse(rss(item("Old headline", **guid)), FEED, NOW).items
    (after,) = parse(rss(item("New headline", **guid)), FEED, NOW).items
    assert before.id == after.id
    assert before.keys[0] == "doi:10.1000/abc"


def test_a_guid_that_stands_twice_names_nothing() -> None:
    body = rss(
        item("First of two", "https://j.example/1", guid="x"),
        item("Second of two", "https://j.example/2", guid="x"),
    )
    first, second = parse(body, FEED, NOW).items
    assert not set(first.keys) & set(second.keys)


@hypothesis_settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_an_exception(body: bytes) -> None:
    parse(body, FEED, NOW)


@hypothesis_settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_title_and_link_come_out_clean(title: str, link: str) -> None:
    body = rss(item(f"<![CDATA[{title}]]>", f"<![CDATA[{link}]]>"))
    for found in parse(body, FEED, NOW).items:
        assert found.url.startswith(("http://", "https://", "HTTP", "Http"))
        assert "\n" not in found.title
