"""Bytes of a feed become NewsItems. No network, no disk, no clock.

feedparser is handed bytes and never an address: given one it would fetch
ftp and local files without a timeout or a limit. What it gives is cleaned
again here; its own sanitiser lets `javascript:` links and pixels through.
"""

from __future__ import annotations

import calendar
import datetime as dt
import hashlib
import io
from collections import Counter
from dataclasses import dataclass
from typing import Any

import feedparser

from newsletter.news import clean, identity
from newsletter.news.item import Feed, FeedHealth, NewsItem, State

MOST_ITEMS = 300
"""More than this a monthly editor does not read; the rest of a flood is left out."""


@dataclass(frozen=True, slots=True)
class Parsed:
    items: tuple[NewsItem, ...]
    health: FeedHealth


def parse(
    body: bytes, feed: Feed, now: dt.datetime, *, content_type: str = "", location: str = ""
) -> Parsed:
    """Read one feed; never raises for what a stranger wrote.

    `content_type` and `location` (the final address, for relative links) are
    as the server said them. `now` is aware: later dates are clamped to it.
    """
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
        RecursionError,
        AssertionError,
    ) as error:
        return _failed(feed, f"the feed cannot be read ({type(error).__name__})")
    if not read.get("version"):
        return _failed(feed, "this is no feed; the address may show a web page or be empty")
    entries = read.get("entries", [])
    guids = Counter(str(entry.get("id", "")) for entry in entries[:MOST_ITEMS])
    made = [_item(entry, feed, now, guids) for entry in entries[:MOST_ITEMS]]
    items = tuple(item for item in made if item)
    problem = _problem(read, len(entries))
    dropped = len(made) - len(items)
    if entries and not items:
        return _failed(feed, problem or "no item has a title and a web address", dropped)
    state = State.DEGRADED if problem or dropped else State.OK
    newest = max((item.date for item in items if item.dated), default=None)
    return Parsed(items, FeedHealth(feed, state, len(items), dropped, problem, newest, now))


def _failed(feed: Feed, problem: str, dropped: int = 0) -> Parsed:
    return Parsed((), FeedHealth(feed, State.FAILED, 0, dropped, problem))


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


def _item(entry: Any, feed: Feed, now: dt.datetime, guids: Counter[str]) -> NewsItem | None:
    title = clean.plain(_text(entry, "title"), clean.TITLE_LIMIT)
    guid = _text(entry, "id")
    url = clean.link(_text(entry, "link")) or (clean.link(guid) if guid else None)
    if not title or not url:
        return None
    url = clean.without_tracking(url)
    names = tuple(
        filter(None, (guid, *(_text(entry, key) for key in ("dc_identifier", "prism_doi", "doi"))))
    )
    keys = identity.keys(url, title, names)
    if guid and guids[guid] == 1:
        keys = (*keys, f"guid:{feed.id}:{clean.one_line(guid)[:200]}")
    moment = _moment(entry, now)
    return NewsItem(
        id=f"{feed.id}-{hashlib.sha256(keys[0].encode()).hexdigest()[:8]}",
        feed=feed.id,
        title=title,
        url=url,
        source=feed.title,
        kind=feed.kind,
        language=feed.language,
        date=(moment or now).date(),
        dated=moment is not None,
        excerpt=clean.plain(_text(entry, "summary"), clean.EXCERPT_LIMIT),
        keys=keys,
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
