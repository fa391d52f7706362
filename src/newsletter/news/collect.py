"""What any kind of feed gives becomes NewsItems and one health line. Pure.

RSS, Atom and JSON Feed differ in how they are read (parse.py, jsonfeed.py);
from here on they are the same: cleaned, named, counted.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from newsletter.news import clean, identity
from newsletter.news.item import Feed, FeedHealth, NewsItem, State

MOST_ITEMS = 300
"""More than this a monthly editor does not read; the rest of a flood is left out."""


@dataclass(frozen=True, slots=True)
class Raw:
    """One entry as the feed gives it: strangers' words. `moment` is aware UTC, None when it has no date."""

    title: str
    link: str
    guid: str
    names: tuple[str, ...]
    moment: dt.datetime | None
    summary: str


@dataclass(frozen=True, slots=True)
class Parsed:
    items: tuple[NewsItem, ...]
    health: FeedHealth


def collect(entries: Sequence[Raw], feed: Feed, now: dt.datetime, problem: str) -> Parsed:
    """The items of a feed that could be read; `problem` is what is broken about it, or ""."""
    guids = Counter(entry.guid for entry in entries)
    made = [_item(entry, feed, now, guids) for entry in entries]
    items = tuple(item for item in made if item)
    dropped = len(made) - len(items)
    if entries and not items:
        problem = problem or "no item has a title and a web address"
        return Parsed((), FeedHealth(feed, State.FAILED, 0, dropped, problem))
    state = State.DEGRADED if problem or dropped else State.OK
    newest = max((item.date for item in items if item.dated), default=None)
    return Parsed(items, FeedHealth(feed, state, len(items), dropped, problem, newest, now))


def _item(entry: Raw, feed: Feed, now: dt.datetime, guids: Counter[str]) -> NewsItem | None:
    title = clean.plain(entry.title, clean.TITLE_LIMIT)
    url = clean.link(entry.link) or clean.link(entry.guid)
    if not title or not url:
        return None
    url = clean.without_tracking(url)
    keys = identity.keys(url, title, tuple(filter(None, (entry.guid, *entry.names))))
    if entry.guid and guids[entry.guid] == 1:
        keys = (*keys, f"guid:{feed.id}:{clean.one_line(entry.guid)[:200]}")
    return NewsItem(
        id=f"{feed.id}-{hashlib.sha256(keys[0].encode()).hexdigest()[:8]}",
        feed=feed.id,
        title=title,
        url=url,
        source=feed.title,
        kind=feed.kind,
        language=feed.language,
        date=(entry.moment or now).date(),
        dated=entry.moment is not None,
        excerpt=clean.plain(entry.summary, clean.EXCERPT_LIMIT),
        keys=keys,
    )
