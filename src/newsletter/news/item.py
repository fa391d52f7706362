"""What a feed proposes, as values: Feed, NewsItem, FeedHealth. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What sort of source speaks; a reader sees it beside every item."""

    JOURNAL = "journal"
    REGULATOR = "regulator"
    CHARITY = "charity"
    TRIAL = "trial"
    PREPRINT = "preprint"
    PRESS = "press release"
    NEWS = "news"


STANDING = {kind: place for place, kind in enumerate(Kind)}
"""Of two reports of one thing, the earlier kind here is the primary one."""


class State(StrEnum):
    """How a feed reads: OK; DEGRADED (broken, yet its good items are kept); FAILED (nothing usable)."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Feed:
    """One source of `content/feeds.toml`. Either `url`, or `path`: a file below content/."""

    id: str
    title: str
    kind: Kind
    language: str
    url: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class NewsItem:
    """One proposal: plain text and an absolute http(s) link, never the source's own markup.

    `id` is what `news pick` takes: the feed's id and eight hex digits of the
    strongest key, the same on every fetch. `dated` is False when the feed gave
    no date that could be read and `date` is the day it was first read. `keys`
    say what this is about, strongest first (identity.py). `also` names other
    feeds that report the same.
    """

    id: str
    feed: str
    title: str
    url: str
    source: str
    kind: Kind
    language: str
    date: dt.date
    dated: bool
    excerpt: str
    keys: tuple[str, ...]
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """One line for the editor about one feed. `dropped` items had no usable title or link."""

    feed: Feed
    state: State
    items: int = 0
    dropped: int = 0
    problem: str = ""
    newest: dt.date | None = None
    read_at: dt.datetime | None = None
    next_try: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Proposals:
    """All that the feeds propose, newest first, and how each feed does.

    `known` counts items left out because an issue already carried them; `old`
    those before the window.
    """

    items: tuple[NewsItem, ...]
    health: tuple[FeedHealth, ...]
    known: int = 0
    old: int = 0

    def find(self, item_id: str) -> NewsItem | None:
        return next((item for item in self.items if item.id == item_id), None)
