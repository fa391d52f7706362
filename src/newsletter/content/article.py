"""content/articles/ID.LANG.md becomes an Article, or a list of what is wrong with it."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

from newsletter.content import mapping
from newsletter.content.fields import Fields
from newsletter.content.model import Article, Author, Picture, Reference, Review
from newsletter.content.source import Text
from newsletter.errors import Finding

_FAR = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
"""A draft without a date sorts as the newest and is never published by time."""
_DOI = re.compile(r"10\.\d{4,9}/\S+")
"""Source: Crossref, "DOIs and matching regular expressions"."""
_URL = re.compile(r"https?://[^\s/?#]+\S*")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*")


def read(
    text: Text, id_: str, language: str, zone: ZoneInfo, *, health: bool
) -> tuple[Article, list[Finding]]:
    """The article in `text`. `health`: the publication's subject asks for a word on review.

    With an error among the findings it holds what could be read, so that the
    rest of the file can be looked at; its `slug` is "" where that is not known.
    """
    entries, findings = mapping.read(text)
    if not entries and not findings:
        findings.append(
            Finding(
                "NL207",
                f"{text.path} has no front matter",
                text.where(1),
                "the text begins at once",
                "begin the file with ---, `title: ...` and the other keys, and ---",
            )
        )
    # Without a front matter nobody needs to hear of each key that is not in it.
    fields = Fields(text, entries, findings if entries else [], "an article")
    published = fields.moment("published", zone, required=not _is_draft(fields))
    article = Article(
        id=id_,
        language=language,
        title=fields.string("title", required=True, longest=200, example="What PD-L1 means"),
        summary=fields.string(
            "summary", required=True, longest=500, example="One or two sentences."
        ),
        published=published or _FAR,
        updated=fields.day("updated"),
        topics=tuple(name for name, _ in fields.strings("topics")),
        authors=_people(fields, "authors"),
        review=_review(fields, health=health),
        references=_references(fields),
        picture=_picture(fields),
        slug=fields.slug("slug", id_) if entries else "",
        aliases=_aliases(fields),
        draft=fields.flag("draft"),
        expires=fields.moment("expires", zone),
        withdrawn=fields.string("withdrawn", longest=1000, example="The advice has changed.")
        or None,
        translation_of=fields.check(
            "translation_of",
            _DIGEST.fullmatch,
            fields.string("translation_of"),
            "64 hexadecimal digits",
            "write the SHA-256 of the file it was translated from (`sha256sum FILE`)",
        )
        or None,
        body=text.body,
        source=text.source,
    )
    _dates_in_order(fields, article, zone)
    fields.finish()
    return article, findings


def _is_draft(fields: Fields) -> bool:
    entry = fields.entries.get("draft")
    return entry is not None and entry.value.value is True


def _people(fields: Fields, name: str) -> tuple[Author, ...]:
    people = []
    for group in fields.groups(name, "a person"):
        people.append(
            Author(
                name=group.string("name", required=True, longest=200, example="Ada Lovelace"),
                role=group.string("role", longest=100) or "writer",
                credentials=group.string("credentials", longest=200),
            )
        )
        group.finish()
    return tuple(people)


def _review(fields: Fields, *, health: bool) -> Review | None:
    node = fields.entry("review", required=health)
    if node is None:
        return None
    if isinstance(node.value, str):
        if node.value != "pending":
            fields.tell(
                "NL213",
                f"`review` is `{node.value}`",
                node,
                "pending, or a group of keys",
                "write `review: pending`, or last, next and by",
            )
        return Review()
    group = fields.group("review", "a review")
    if group is None:
        return None
    last = group.day("last", required=True)
    following = group.day("next")
    by = _people(group, "by")
    if not by and "by" not in group.entries:
        group.entry("by", required=True)
    digest = group.string("digest").removeprefix("sha256:") or None
    if digest and not _DIGEST.fullmatch(digest):
        group.tell(
            "NL213",
            "`digest` is not right",
            group.entries["digest"].value,
            "64 hexadecimal digits",
            "leave it to the sign-off",
        )
        digest = None
    if last and following and following <= last:
        group.tell(
            "NL230",
            "the next review is not after the last",
            group.entries["next"].value,
            f"last is {last}",
            "put it a year or three later",
        )
    group.finish()
    return Review(pending=False, last=last, next=following, by=by, digest=digest)


def _references(fields: Fields) -> tuple[Reference, ...]:
    group = fields.group("references", "the references")
    if group is None:
        return ()
    found = []
    for key, entry in group.entries.items():
        if not _KEY.fullmatch(key):
            fields.tell(
                "NL213",
                f"`{key}` cannot be the key of a reference",
                entry.key,
                "letters, digits, - _ . :",
                "for example `smith2024`",
            )
            continue
        if not isinstance(entry.value.value, dict):
            fields.wrong(
                key,
                entry.value,
                "a group of keys",
                "{title: A study, journal: A journal, year: 2024}",
            )
            continue
        one = Fields(fields.text, entry.value.value, fields.findings, "a reference", entry.key)
        found.append(_reference(key, one))
    return tuple(found)


def _reference(key: str, fields: Fields) -> Reference:
    doi = re.sub(r"^(https?://(dx\.)?doi\.org/|doi:\s*)", "", fields.string("doi"))
    reference = Reference(
        key=key,
        text=fields.string("text"),
        authors=fields.string("authors"),
        title=fields.string("title"),
        journal=fields.string("journal"),
        year=fields.number("year"),
        details=fields.string("details"),
        doi=fields.check(
            "doi",
            _DOI.fullmatch,
            doi,
            "begins with 10. and has a slash",
            "for example `doi: 10.1056/NEJMra1703481`",
        )
        or None,
        pmid=fields.check(
            "pmid",
            str.isdecimal,
            fields.string("pmid"),
            "digits only",
            "for example `pmid: 29320654`",
        )
        or None,
        url=fields.check(
            "url",
            _URL.fullmatch,
            fields.string("url"),
            "a whole http address",
            "begin it with https://",
        )
        or None,
        accessed=fields.day("accessed"),
    )
    if not reference.text and not reference.title:
        fields.entry("title", required=True)
    fields.finish()
    return reference


def _picture(fields: Fields) -> Picture | None:
    group = fields.group("picture", "a picture")
    if group is None:
        return None
    decorative = group.flag("decorative")
    path = group.string("path", required=True, example="images/cells.svg")
    alt = group.string("alt", longest=1000)
    if not alt and not decorative:
        group.tell(
            "NL223",
            "the picture has no words for those who do not see it",
            group.at,
            "no `alt`",
            "say in `alt` what it shows; `decorative: true` only if it says nothing",
        )
    caption = group.string("caption", longest=1000)
    group.finish()
    return Picture(path=path, alt="" if decorative else alt, decorative=decorative, caption=caption)


def _aliases(fields: Fields) -> tuple[str, ...]:
    found = []
    for alias, node in fields.strings("aliases"):
        if not re.fullmatch(r"/([A-Za-z0-9_~.-]+/?)*", alias) or ".." in alias:
            fields.tell(
                "NL213",
                f"`{alias}` is not a path of this site",
                node,
                "begins with a slash",
                "for example /articles/old-name/",
            )
            continue
        found.append(alias if alias.endswith(("/", ".html")) else f"{alias}/")
    return tuple(found)


def _dates_in_order(fields: Fields, article: Article, zone: ZoneInfo) -> None:
    if "published" not in fields.entries or article.published is _FAR:
        return
    day = article.published.astimezone(zone).date()
    if article.updated and article.updated < day:
        fields.tell(
            "NL230",
            f"updated on {article.updated}, before it was published",
            fields.entries["updated"].value,
            f"published {day}",
            "`updated` is the day of an edit after publishing",
        )
    if article.expires and article.expires <= article.published:
        fields.tell(
            "NL230",
            "it expires before it is published",
            fields.entries["expires"].value,
            f"published {day}",
            "`expires` is the day it leaves the site",
        )
