"""Bytes of a feed become NewsItems. No network, no disk, no clock.

feedparser is handed bytes and never an address: given one it would fetch
ftp and local files without a timeout or a limit. What it gives is cleaned
again here; its own sanitiser lets `javascript:` links and pixels through.
"""

from __future__ import annotations

import calendar
import datetime as dt
import io
import re
from typing import Any
from xml.sax import SAXException

import feedparser

from newsletter.news import jsonfeed
from newsletter.news.collect import MOST_ITEMS, Parsed, Raw, collect
from newsletter.news.item import Feed, FeedHealth, State


def parse(
    body: bytes, feed: Feed, now: dt.datetime, *, content_type: str = "", location: str = ""
) -> Parsed:
    """Read one feed; never raises for what a stranger wrote.

    `content_type` and `location` (the final address, for relative links) are
    as the server said them. `now` is aware: later dates are clamped to it.
    """
    if jsonfeed.looks_like(body):
        return jsonfeed.parse(body, feed, now, location)
    body, count = _cut(body)
    headers = {"content-type": content_type, "content-location": location}
    try:
        read = feedparser.parse(
            io.BytesIO(body), response_headers={k: v for k, v in headers.items() if v}
        )
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
        AssertionError,
        SAXException,
    ) as error:
        return _failed(feed, f"the feed cannot be read ({type(error).__name__})")
    if not read.get("version"):
        return _failed(feed, "this is no feed; the address may show a web page or be empty")
    entries = read.get("entries", [])[:MOST_ITEMS]
    return collect([_raw(entry, now) for entry in entries], feed, now, _problem(read, count))


def _failed(feed: Feed, problem: str) -> Parsed:
    return Parsed((), FeedHealth(feed, State.FAILED, problem=problem))


_ENTRY = re.compile(rb"<(?:item|entry)[\s>]")
_ENDS = ((b"<rss", b"</channel></rss>"), (b"<feed", b"</feed>"), (b"<rdf:RDF", b"</rdf:RDF>"))


def _cut(body: bytes) -> tuple[bytes, int]:
    """The first MOST_ITEMS entries, properly closed, and how many there were."""
    starts = [found.start() for found in _ENTRY.finditer(body)]
    if len(starts) <= MOST_ITEMS:
        return body, len(starts)
    head = body[: starts[0]]
    end = next((end for start, end in _ENDS if start in head), b"")
    return body[: starts[MOST_ITEMS]] + end, len(starts)


def _problem(read: Any, entries: int) -> str:
    """What is broken about a feed that could be read all the same, or ""."""
    if entries > MOST_ITEMS:
        return f"{entries} items; only the first {MOST_ITEMS} were read"
    error = read.get("bozo_exception") if read.get("bozo") else None
    if error is None or isinstance(
        error, feedparser.CharacterEncodingOverride | feedparser.NonXMLContentType
    ):
        return ""  # a wrong label on the right letters; the text was read well
    line = getattr(error, "getLineNumber", lambda: None)()
    return "the feed's XML is broken" + (f" at line {line}" if line else "")


def _raw(entry: Any, now: dt.datetime) -> Raw:
    moment = _moment(entry, now)
    names = tuple(_text(entry, key) for key in ("dc_identifier", "prism_doi", "doi"))
    return Raw(
        title=_text(entry, "title"),
        link=_text(entry, "link"),
        guid=_text(entry, "id"),
        names=tuple(filter(None, names)),
        moment=moment,
        summary=_text(entry, "summary"),
    )


def _text(entry: Any, key: str) -> str:
    value = entry.get(key, "")
    return value if isinstance(value, str) else ""


def _moment(entry: Any, now: dt.datetime) -> dt.datetime | None:
    """The entry's own date in UTC, never after `now`; None when it has none that can be read."""
    for key in ("published_parsed", "updated_parsed"):
        value = dict.get(entry, key)  # its own get() would pass one date off as the other
        if value:
            try:
                moment = dt.datetime.fromtimestamp(calendar.timegm(value), dt.UTC)
            except (ValueError, OverflowError, OSError, TypeError):
                continue
            return min(moment, now)
    return None
