"""All feeds read: what they propose now, and how each of them does.

feeds.toml -> bytes (local file, or the cache that `news fetch` fills)
           -> parse, one feed at a time; a bad one is a health line
           -> not older than the window, not already in a frozen issue
           -> the same thing once -> newest first
"""

from __future__ import annotations

import datetime as dt

from newsletter.config import Settings
from newsletter.news import feeds, memory
from newsletter.news.grouping import group
from newsletter.news.item import Feed, FeedHealth, NewsItem, Proposals, State
from newsletter.news.parse import Parsed, parse

SIZE_LIMIT = 5_000_000
"""Bytes of one feed, after inflation; a feed of a month's news has a tenth of it."""


def items(settings: Settings, now: dt.datetime) -> Proposals:
    """Everything the feeds propose at `now`; one bad feed never stops the others.

    Raises:
        Findings: when feeds.toml itself is wrong.
    """
    parsed = [_read(settings, feed, now) for feed in feeds.load(settings)]
    everything = [item for each in parsed for item in each.items]
    since = (now - dt.timedelta(days=settings.news.window_days)).date()
    fresh = [item for item in everything if item.date >= since]
    told = memory.sent(settings)
    new: list[NewsItem] = [item for item in fresh if told.isdisjoint(item.keys)]
    return Proposals(
        items=group(new),
        health=tuple(each.health for each in parsed),
        known=len(fresh) - len(new),
        old=len(everything) - len(fresh),
    )


def _read(settings: Settings, feed: Feed, now: dt.datetime) -> Parsed:
    if feed.path is None:
        return Parsed(
            (),
            FeedHealth(feed, State.FAILED, problem="not fetched yet: run `newsletter news fetch`"),
        )
    try:
        with settings.path("content").joinpath(feed.path).open("rb") as file:
            body = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        return Parsed(
            (), FeedHealth(feed, State.FAILED, problem=f"content/{feed.path}: {error.strerror}")
        )
    if len(body) > SIZE_LIMIT:
        return Parsed(
            (), FeedHealth(feed, State.FAILED, problem=f"more than {SIZE_LIMIT // 1_000_000} MB")
        )
    return parse(body, feed, now)
