"""JSON Feed, which feedparser does not read.

Source: JSON Feed version 1.1, https://www.jsonfeed.org/version/1.1/
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from urllib.parse import urljoin

from newsletter.news.collect import MOST_ITEMS, Parsed, Raw, collect
from newsletter.news.item import Feed, FeedHealth, State

VERSION = "https://jsonfeed.org/version/"


def looks_like(body: bytes) -> bool:
    """Whether the bytes begin as a JSON object does; no XML feed does."""
    return body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"


def parse(body: bytes, feed: Feed, now: dt.datetime, location: str = "") -> Parsed:
    """Read one JSON Feed; never raises for what a stranger wrote.

    `location` is the final address, for relative links; `now` is aware.
    """
    try:
        read: Any = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return _failed(feed, "this is no feed; the JSON is broken")
    if not isinstance(read, dict) or not str(read.get("version", "")).startswith(VERSION):
        return _failed(feed, "this is no feed; the JSON is none that we know")
    items = read.get("items")
    if not isinstance(items, list):
        return _failed(feed, "the feed has no list of items")
    entries = [_raw(each, now, location) for each in items[:MOST_ITEMS] if isinstance(each, dict)]
    problem = (
        f"{len(items)} items; only the first {MOST_ITEMS} were read"
        if len(items) > MOST_ITEMS
        else ""
    )
    return collect(entries, feed, now, problem)


def _failed(feed: Feed, problem: str) -> Parsed:
    return Parsed((), FeedHealth(feed, State.FAILED, problem=problem))


def _raw(item: dict[str, Any], now: dt.datetime, location: str) -> Raw:
    def text(*names: str) -> str:
        found = (item.get(name) for name in names)
        return next((each for each in found if isinstance(each, str) and each), "")

    link = text("url", "external_url")
    identity = item.get("id")
    return Raw(
        title=text("title"),
        link=_absolute(link, location),
        guid=str(identity) if isinstance(identity, str | int) else "",
        names=(),
        moment=_moment(text("date_published", "date_modified"), now),
        summary=text("summary", "content_html", "content_text"),
    )


def _absolute(link: str, location: str) -> str:
    try:
        return urljoin(location, link) if link and location else link
    except ValueError:
        return link


def _moment(value: str, now: dt.datetime) -> dt.datetime | None:
    """RFC 3339, never after `now`; None for anything else."""
    try:
        moment = dt.datetime.fromisoformat(value)
        return min(moment.astimezone(dt.UTC), now) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
