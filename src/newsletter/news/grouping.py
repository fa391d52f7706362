"""One thing reported by many feeds becomes one proposal. Pure.

Nothing is thrown away: the primary report stands, the others are named in
its `also`, and all keys together are what the issue remembers.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace

from newsletter.news.item import STANDING, NewsItem

SAME_STORY = dt.timedelta(days=14)
"""A title that comes back after this is another story (the yearly report, the weekly digest)."""


def group(items: Iterable[NewsItem]) -> tuple[NewsItem, ...]:
    """`items` with every set that shares a key made one, newest first."""
    groups: list[list[NewsItem]] = []
    by_key: dict[str, list[NewsItem]] = {}
    for item in items:
        near = [
            by_key[key]
            for key in item.keys
            if key in by_key
            and (not key.startswith("title:") or abs(by_key[key][0].date - item.date) <= SAME_STORY)
        ]
        home = near[0] if near else []
        if not near:
            groups.append(home)
        for other in near[1:]:
            if other is not home:
                home += other
                groups[:] = [each for each in groups if each is not other]
        home.append(item)
        for member in home:
            by_key.update(dict.fromkeys(member.keys, home))
    return tuple(sorted(map(_one, groups), key=lambda item: (-item.date.toordinal(), item.id)))


def _one(members: list[NewsItem]) -> NewsItem:
    """The primary report: best kind of source, then the earliest, then by name."""
    first = min(members, key=lambda item: (STANDING[item.kind], item.date, item.id))
    keys = tuple(dict.fromkeys(key for item in (first, *members) for key in item.keys))
    also = {item.source: None for item in members if item.source != first.source}
    return replace(first, keys=keys, also=tuple(also))
