"""What editors write, as values: Article, Page, Letter, Wording. Pure: no disk, no clock.

Files: `content/articles/ID.LANG.md`, `content/pages/ID.LANG.md`,
`content/issues/PERIOD/letter.LANG.md`, `content/consent/LANG/VERSION.md`;
drawings and photos below `content/images/`. The id is the same in every
language and never changes; the address on the site may (`slug`, `aliases`).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Source:
    """Where a text came from, so that a finding can point into the file the editor opens.

    `path` is relative to the publication. `body_line` is the file's line (from
    1) on which the Markdown body begins. `digest` is the SHA-256, hex, of the
    whole file's bytes.
    """

    path: str
    body_line: int
    digest: str


@dataclass(frozen=True, slots=True)
class Author:
    name: str
    role: str = "writer"
    credentials: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """A whole-page clinical review (NHS pattern: never the date of a mere edit).

    `pending` is a state to show, not to hide. `digest` is the SHA-256 of the
    body that was signed; an edit voids the review.
    """

    pending: bool = True
    last: dt.date | None = None
    next: dt.date | None = None
    by: tuple[Author, ...] = ()
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """One source of a claim, cited in the body as `[@key]`.

    Either structured (authors, title, journal, year, doi, pmid, url) or `text`
    alone, for what has no publication behind it ("As the clinic's page states").
    """

    key: str
    text: str = ""
    authors: str = ""
    title: str = ""
    journal: str = ""
    year: int | None = None
    details: str = ""
    """Volume(issue):pages."""
    doi: str | None = None
    pmid: str | None = None
    url: str | None = None
    accessed: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing or photo of ours. `path` is relative to content/; `alt` "" only when `decorative`."""

    path: str
    alt: str
    decorative: bool = False
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Article:
    """One explainer in one language. `published` and `expires` are aware moments.

    `translation_of` is the SHA-256 of the source-language file this text was
    translated from; None for an original. `withdrawn` is the reason, shown on
    the page that stays.
    """

    id: str
    language: str
    slug: str
    title: str
    summary: str
    published: dt.datetime
    updated: dt.date | None
    topics: tuple[str, ...]
    authors: tuple[Author, ...]
    review: Review | None
    references: tuple[Reference, ...]
    picture: Picture | None
    body: str
    source: Source
    translation_of: str | None = None
    aliases: tuple[str, ...] = ()
    expires: dt.datetime | None = None
    withdrawn: str | None = None
    draft: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A standing page: about, privacy, subscribe. `menu` puts it into the footer or the top bar."""

    id: str
    language: str
    slug: str
    title: str
    summary: str
    menu: Literal["none", "top", "footer"]
    body: str
    source: Source


@dataclass(frozen=True, slots=True)
class Letter:
    """The editor's letter of one issue, with what the editor chose for it.

    `pins` are article ids that come first, in this order; `exclude` are left
    out of this issue; `again` are read-again ids from earlier issues. `news`
    are the picked items, in order, each with the editor's own sentence.
    """

    period: str
    language: str
    subject: str
    preheader: str
    pins: tuple[str, ...]
    exclude: tuple[str, ...]
    again: tuple[str, ...]
    news: tuple[Pick, ...]
    body: str
    source: Source


@dataclass(frozen=True, slots=True)
class Pick:
    """A news item the editor chose: facts from the feed, `note` in the editor's own words."""

    id: str
    title: str
    url: str
    source: str
    kind: str
    date: dt.date
    note: str


@dataclass(frozen=True, slots=True)
class Wording:
    """The exact words of a consent, by language and version; `hash` is the SHA-256 of `text`, hex."""

    language: str
    version: str
    text: str
    hash: str
