"""All feeds read: what they propose now, and how each of them does.

feeds.toml -> bytes (local file, or the cache that `news fetch` fills)
           -> parse, one feed at a time; a bad one is a health line
           -> not older than the window, not already in a frozen issue
           -> the same thing once -> newest first
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from newsletter.config import Settings
from newsletter.news import feeds, memory
from newsletter.news.cache import Cache, Remembered
from newsletter.news.collect import Parsed
from newsletter.news.grouping import group
from newsletter.news.item import Feed, FeedHealth, NewsItem, Proposals, State
from newsletter.news.parse import parse

SIZE_LIMIT = 5_000_000
"""Bytes of one feed, after inflation. A month's feed has a tenth of it; the parser
needs up to five seconds for a megabyte that was made to be slow."""


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


def health(settings: Settings, feed: Feed, now: dt.datetime) -> FeedHealth:
    """How one feed does."""
    return _read(settings, feed, now).health


def _read(settings: Settings, feed: Feed, now: dt.datetime) -> Parsed:
    return _file(settings, feed, feed.path, now) if feed.path else _fetched(settings, feed, now)


def _file(settings: Settings, feed: Feed, path: str, now: dt.datetime) -> Parsed:
    try:
        with settings.path("content").joinpath(path).open("rb") as file:
            body = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        return _none(feed, f"content/{path}: {error.strerror}")
    if len(body) > SIZE_LIMIT:
        return _none(feed, f"more than {SIZE_LIMIT // 1_000_000} MB")
    return parse(body, feed, now)


def _fetched(settings: Settings, feed: Feed, now: dt.datetime) -> Parsed:
    """The last good bytes, and what went wrong since, if anything did."""
    cache = Cache(settings)
    state = cache.state(feed.id, feed.url or "")
    body = cache.body(feed.id)
    if body is None or state.fetched_at is None:
        return _none(feed, state.problem or "not fetched yet: run `newsletter news fetch`", state)
    read = parse(body, feed, now, content_type=state.content_type, location=state.location)
    problem = state.problem or read.health.problem
    if state.problem:
        problem += f"; the items are those of {state.fetched_at.date()}"
    elif state.moved and not problem:
        problem = f"moved for good to {state.moved}; change the address in {settings.news.feeds}"
    worse = State.DEGRADED if state.problem and read.health.state is State.OK else read.health.state
    return replace(
        read,
        health=replace(
            read.health,
            state=worse,
            problem=problem,
            read_at=state.fetched_at,
            next_try=None if state.gone else state.next_try,
        ),
    )


def _none(feed: Feed, problem: str, state: Remembered | None = None) -> Parsed:
    next_try = state.next_try if state and not state.gone else None
    return Parsed((), FeedHealth(feed, State.FAILED, problem=problem, next_try=next_try))
