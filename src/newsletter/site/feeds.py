"""Feeds of the newest articles of one language, or of one topic in it; and the sitemap.

Source: RFC 4287 (Atom), RSS 2.0.11 (rssboard.org), JSON Feed 1.1 (jsonfeed.org).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

ATOM = "http://www.w3.org/2005/Atom"
MOST = 20
"""Entries. A reader that looks in once a month misses nothing."""


@dataclass(frozen=True, slots=True)
class Item:
    """One entry. `updated` changes only with the text (never with a rebuild); `html` has absolute addresses."""

    key: str
    title: str
    url: str
    summary: str
    html: str
    published: dt.datetime
    updated: dt.datetime
    authors: tuple[str, ...]
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Feed:
    """`home` is the page it follows; `url` its own address."""

    title: str
    language: str
    url: str
    home: str
    items: tuple[Item, ...]


def atom(feed: Feed) -> bytes:
    """The feed as an Atom document."""
    ET.register_namespace("", ATOM)
    root = ET.Element(_("feed"), {"{http://www.w3.org/XML/1998/namespace}lang": feed.language})
    _add(root, "title", feed.title)
    _add(root, "id", feed.url)
    _add(root, "updated", _moment(max((item.updated for item in feed.items), default=_EPOCH)))
    ET.SubElement(
        root, _("link"), {"rel": "self", "type": "application/atom+xml", "href": feed.url}
    )
    ET.SubElement(root, _("link"), {"rel": "alternate", "type": "text/html", "href": feed.home})
    for item in feed.items[:MOST]:
        root.append(_entry(item, feed))
    return written(root)


def rss(feed: Feed) -> bytes:
    """The feed as RSS 2.0, for readers that know no Atom."""
    ET.register_namespace("atom", ATOM)
    root = ET.Element("rss", {"version": "2.0"})
    channel = ET.SubElement(root, "channel")
    for name, text in (
        ("title", feed.title),
        ("link", feed.home),
        ("description", feed.title),
        ("language", feed.language),
    ):
        ET.SubElement(channel, name).text = clean(text)
    ET.SubElement(
        channel, f"{{{ATOM}}}link", {"rel": "self", "type": "application/rss+xml", "href": feed.url}
    )
    for item in feed.items[:MOST]:
        entry = ET.SubElement(channel, "item")
        ET.SubElement(entry, "title").text = clean(item.title)
        ET.SubElement(entry, "link").text = item.url
        ET.SubElement(entry, "guid", {"isPermaLink": "false"}).text = identity(
            feed.home, item.published, item.key
        )
        ET.SubElement(entry, "pubDate").text = format_datetime(item.published)
        for topic in item.topics:
            ET.SubElement(entry, "category").text = clean(topic)
        ET.SubElement(entry, "description").text = clean(item.html)
    return written(root)


def json_feed(feed: Feed) -> bytes:
    """The feed as JSON Feed 1.1."""
    row = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.home,
        "feed_url": feed.url,
        "language": feed.language,
        "items": [
            {
                "id": identity(feed.home, item.published, item.key),
                "url": item.url,
                "title": item.title,
                "summary": item.summary,
                "content_html": item.html,
                "date_published": _moment(item.published),
                "date_modified": _moment(item.updated),
                "authors": [{"name": name} for name in item.authors or (feed.title,)],
                "tags": list(item.topics),
                "language": feed.language,
            }
            for item in feed.items[:MOST]
        ],
    }
    return (json.dumps(row, ensure_ascii=False, indent=1) + "\n").encode()


def written(root: ET.Element) -> bytes:
    """The document as UTF-8 with its declaration."""
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'.encode()


def _entry(item: Item, feed: Feed) -> ET.Element:
    entry = ET.Element(_("entry"))
    _add(entry, "title", item.title)
    _add(entry, "id", identity(feed.home, item.published, item.key))
    ET.SubElement(entry, _("link"), {"rel": "alternate", "type": "text/html", "href": item.url})
    _add(entry, "published", _moment(item.published))
    _add(entry, "updated", _moment(item.updated))
    for name in item.authors or (feed.title,):
        _add(ET.SubElement(entry, _("author")), "name", name)
    for topic in item.topics:
        ET.SubElement(entry, _("category"), {"term": topic})
    _add(entry, "summary", item.summary)
    _add(entry, "content", clean(item.html)).set("type", "html")
    return entry


def identity(home: str, published: dt.datetime, key: str) -> str:
    """A name that stays when the address changes. Source: RFC 4151 (tag URI)."""
    return f"tag:{urlsplit(home).hostname},{published:%Y-%m-%d}:{key}"


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _(name: str) -> str:
    return f"{{{ATOM}}}{name}"


def _add(parent: ET.Element, name: str, text: str) -> ET.Element:
    element = ET.SubElement(parent, _(name))
    element.text = clean(text)
    return element


def _moment(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]")


def clean(text: str) -> str:
    """Without the control characters that XML 1.0 has no way to write."""
    return _CONTROL.sub("", text)


def sitemap(pages: Sequence[tuple[str, str | None, Sequence[tuple[str, str]]]]) -> bytes:
    """(address, last change, [(language, address)]) of every listed page. Source: sitemaps.org 0.9; Google, hreflang."""
    space, html = "http://www.sitemaps.org/schemas/sitemap/0.9", "http://www.w3.org/1999/xhtml"
    ET.register_namespace("", space)
    ET.register_namespace("xhtml", html)
    root = ET.Element(f"{{{space}}}urlset")
    for address, changed, others in pages:
        entry = ET.SubElement(root, f"{{{space}}}url")
        ET.SubElement(entry, f"{{{space}}}loc").text = address
        if changed:
            ET.SubElement(entry, f"{{{space}}}lastmod").text = changed
        for language, other in others:
            ET.SubElement(
                entry, f"{{{html}}}link", {"rel": "alternate", "hreflang": language, "href": other}
            )
    return written(root)


def robots(sitemap_url: str) -> bytes:
    """Everybody may read everything. Source: RFC 9309."""
    return f"User-agent: *\nAllow: /\nSitemap: {sitemap_url}\n".encode()
