"""Where everything lies on the site: pure functions from names to paths.

A path begins and ends with "/" (an `index.html` inside) unless it names a
file. The publication's first language lives at the root, every other below
its tag: "/articles/SLUG/", "/ru/articles/SLUG/". Nothing here knows a host:
`settings.site_url + path` is the absolute address.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol


class _Placed(Protocol):
    @property
    def language(self) -> str: ...
    @property
    def slug(self) -> str: ...


def home_path(language: str, languages: Sequence[str]) -> str:
    """ "/" for the first language, "/ru/" for another."""
    return "/" if language == languages[0] else f"/{language}/"


def article_path(article: _Placed, languages: Sequence[str]) -> str:
    return f"{home_path(article.language, languages)}articles/{article.slug}/"


def articles_path(language: str, languages: Sequence[str]) -> str:
    """The list of every explainer of one language."""
    return f"{home_path(language, languages)}articles/"


def page_path(page: _Placed, languages: Sequence[str]) -> str:
    return f"{home_path(page.language, languages)}{page.slug}/"


def subscribe_path(language: str, languages: Sequence[str]) -> str:
    """The page that holds the sign-up form, with or without a text of the editors."""
    return f"{home_path(language, languages)}subscribe/"


def archive_path(language: str, languages: Sequence[str]) -> str:
    """The list of past issues."""
    return f"{home_path(language, languages)}issues/"


def issue_path(period: str, language: str, languages: Sequence[str]) -> str:
    return f"{archive_path(language, languages)}{period}/"


def issue_file(period: str, name: str) -> str:
    """A file beside an issue's pages, the same for every language: "mail.en.html", "edition.toml"."""
    return f"/issues/{period}/{name}"


def author_path(name: str, language: str, languages: Sequence[str]) -> str:
    """The page of everything that `name` wrote; letters of any script stay what they are."""
    return f"{home_path(language, languages)}authors/{_slug(name)}/"


@lru_cache(maxsize=1024)
def _slug(name: str) -> str:
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", name).lower())
    return "-".join(words) or name.encode().hex()


def search_path(language: str, languages: Sequence[str]) -> str:
    return f"{home_path(language, languages)}search/"


def topics_path(language: str, languages: Sequence[str]) -> str:
    return f"{home_path(language, languages)}topics/"


def topic_path(topic: str, language: str, languages: Sequence[str]) -> str:
    return f"{topics_path(language, languages)}{topic}/"


FEEDS = {"atom": "atom.xml", "rss": "rss.xml", "json": "feed.json"}
"""Kinds of feed, and each one's file."""


def feed_path(
    language: str, languages: Sequence[str], topic: str | None = None, kind: str = "atom"
) -> str:
    """A feed of a language, or of one topic in it; `kind` is a key of FEEDS."""
    folder = topic_path(topic, language, languages) if topic else home_path(language, languages)
    return folder + FEEDS[kind]


def file_of(path: str) -> str:
    """The file below the site's folder that answers `path`: "/a/" is "a/index.html"."""
    return f"{path}index.html".lstrip("/") if path.endswith("/") else path.lstrip("/")
