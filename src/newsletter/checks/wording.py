"""Words that were left behind, and words that the inbox would cut off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from newsletter.content.model import Article, Letter
from newsletter.errors import Finding, Level, Where
from newsletter.issue.edition import TOKEN_SLOT, Edition

SUBJECT = 60
"""Characters. A phone shows 30 to 45, most desktop lists 60."""
PREHEADER = (30, 130)
"""Characters. Below, the list shows the mail's first words after it; above, it is cut."""
_LEFT = re.compile(r"slot-\d{4}-words|\{\{|\}\}|\{%|%\}|%\([a-z_]+\)s|\bmj-[a-z]+\b(?!-)")
_FILLER = re.compile(
    r"\b(?:lorem ipsum|TODO|FIXME|TKTK|XXX+|TBD)\b|\[(?:name|date|title|link|text|titel|datum|имя|дата)\]",
    re.IGNORECASE,
)
_OURS = re.compile(
    r"Write here what you would say to a friend|A sample item, invented|Write here, in Markdown"
)
"""Of starter/files and cli/new.py; harmless in a trial, foolish in a mailbox."""


def inbox(letter: Letter) -> list[Finding]:
    """NL474 (a warning) for a subject or preheader of an unhelpful length."""
    where = Where(letter.source.path)
    found = []
    if len(letter.subject) > SUBJECT:
        what = f"the subject has {len(letter.subject)} characters; lists show about {SUBJECT}"
        found.append(
            Finding(
                "NL474", what, where, help="say the most important words first", level=Level.WARNING
            )
        )
    low, high = PREHEADER
    if not low <= len(letter.preheader) <= high:
        what = (
            f"the preheader has {len(letter.preheader)} characters; {low} to {high} are shown well"
        )
        found.append(
            Finding(
                "NL474",
                what,
                where,
                help="one sentence that goes on where the subject ends",
                level=Level.WARNING,
            )
        )
    return found


def left_behind(edition: Edition) -> list[Finding]:
    """NL475 for a slot, a template's mark or a filler word that would reach readers."""
    visible = " ".join((edition.subject, edition.preheader, edition.text))
    marks = [
        *_LEFT.findall(edition.subject),
        *_LEFT.findall(edition.text),
        *_LEFT.findall(_unstyled(edition.html)),
    ]
    fillers = _FILLER.findall(visible)
    broken = []
    for name, source in (("HTML", edition.html), ("text", edition.text)):
        if "TOKEN-SLOT" in source.replace(TOKEN_SLOT, ""):
            broken.append(f"a broken place for the reader's link in the {name}")
        if TOKEN_SLOT not in source:
            broken.append(f"no place for the reader's link in the {name}")
    if TOKEN_SLOT in edition.body:
        broken.append("a place for a reader's link in the archive")
    return [
        Finding(
            "NL475",
            f"the {edition.language} edition holds {what}",
            help="take it out of the letter, or correct the template in templates/mail/",
        )
        for what in [*broken, *(f"`{mark}`" for mark in dict.fromkeys([*marks, *fillers]))]
    ]


def untouched(
    editions: Iterable[Edition], articles: Iterable[Article], letters: Mapping[str, Letter]
) -> Iterator[Finding]:
    """NL475 (a warning) for words of `newsletter init` and `new article` that wait to be replaced.

    `letters` by language: what an edition says beside its articles stands there.
    """
    for edition in editions:
        for words in dict.fromkeys(_OURS.findall(" ".join(edition.text.split()))):
            yield Finding(
                "NL475",
                f"the {edition.language} edition still says “{words}”",
                Where(letters[edition.language].source.path),
                help="write your own words there",
                level=Level.WARNING,
            )
    for article in articles:
        if _OURS.search(article.body):
            yield Finding(
                "NL475",
                f"the article `{article.id}` is as `newsletter new article` made it",
                Where(article.source.path),
                help="write it, or set `draft: true`",
                level=Level.WARNING,
            )


def _unstyled(html: str) -> str:
    return re.sub(r"(?s)<style.*?</style>|<!--.*?-->|\sclass=\"[^\"]*\"", "", html)
