"""content/issues/PERIOD/letter.LANG.md: the editor's letter and choices for one issue."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

from newsletter.config import Settings
from newsletter.content import mapping, reading, source
from newsletter.content.fields import Fields
from newsletter.content.model import Letter, Pick
from newsletter.content.reading import Reading
from newsletter.content.source import Text
from newsletter.errors import Finding, Findings, Level, Where, did_you_mean

_NEVER = dt.date(1, 1, 1)
_URL = re.compile(r"https?://[^\s/?#]+\S*")


@dataclass(frozen=True, slots=True)
class Gathered:
    """The letters of one issue by language, what their bodies read as by path, and every finding.

    With an error among the findings a letter holds what could be read of it.
    """

    letters: dict[str, Letter]
    readings: dict[str, Reading]
    findings: tuple[Finding, ...]


def path(period: str, language: str) -> str:
    """Where a letter lies, relative to the publication."""
    return f"content/issues/{period}/letter.{language}.md"


def load(settings: Settings, period: str) -> dict[str, Letter]:
    """The letters of `period`, one for each language of the publication, in its order.

    Raises:
        Findings: a letter is missing or wrong; everything at once.
    """
    gathered = gather(settings, period)
    if any(finding.level is Level.ERROR for finding in gathered.findings):
        raise Findings(gathered.findings)
    return gathered.letters


def gather(settings: Settings, period: str) -> Gathered:
    """Read the letters of `period`, front matter and body, and say what is wrong with them."""
    letters: dict[str, Letter] = {}
    readings: dict[str, Reading] = {}
    findings: list[Finding] = []
    zone = str(settings.publication.time_zone)
    findings += _strays(settings, period)
    for language in settings.publication.languages:
        name = path(period, language)
        file = settings.root / name
        if not file.is_file():
            findings.append(
                Finding(
                    "NL232",
                    f"the letter of {period} is missing in {language}",
                    Where(name),
                    help=f"write {name}, or run `newsletter new issue {period}`",
                )
            )
            continue
        data = source.read_bytes(settings.root, file)
        if isinstance(data, Finding):
            findings.append(data)
            continue
        text, problems = source.decode(name, data)
        findings += problems
        if text is None:
            continue
        letter, problems = read(text, period, language)
        findings += problems
        body, problems = reading.body(letter, zone)
        findings += problems
        if body is not None:
            letters[language] = letter
            readings[name] = body
    return Gathered(letters, readings, tuple(findings))


def _strays(settings: Settings, period: str) -> Iterator[Finding]:
    """NL212 for a letter that no language of the publication will ever show."""
    languages = settings.publication.languages
    for file in sorted((settings.root / "content/issues" / period).glob("letter*.md")):
        tag = file.name.removeprefix("letter.").removesuffix(".md")
        if tag not in languages:
            yield Finding(
                "NL212",
                f"{file.name} is no letter in a language of this publication",
                Where(f"content/issues/{period}/{file.name}"),
                help=did_you_mean(tag, languages)
                or f"take it away, or add the language to `languages` in newsletter.toml (now {', '.join(languages)})",
            )


def read(text: Text, period: str, language: str) -> tuple[Letter, list[Finding]]:
    """The letter in `text`; with an error among the findings, what could be read of it."""
    entries, findings = mapping.read(text)
    if not entries and not findings:
        findings.append(
            Finding(
                "NL207",
                f"{text.path} has no front matter",
                text.where(1),
                help="begin the file with ---, `subject: ...`, `preheader: ...` and ---",
            )
        )
    fields = Fields(text, entries, findings if entries else [], "a letter")
    letter = Letter(
        period=period,
        language=language,
        subject=fields.string("subject", required=True, longest=150, example="What PD-L1 means"),
        preheader=fields.string("preheader", required=True, longest=200),
        pins=_ids(fields, "pins"),
        exclude=_ids(fields, "exclude"),
        again=_ids(fields, "again"),
        news=_news(fields),
        body=text.body,
        source=text.source,
    )
    fields.finish()
    return letter, findings


def _ids(fields: Fields, name: str) -> tuple[str, ...]:
    return tuple(id_ for id_, _ in fields.strings(name))


def _news(fields: Fields) -> tuple[Pick, ...]:
    picks = []
    for item in fields.groups("news", "a news item"):
        day = item.day("date", required=True)
        pick = Pick(
            id=item.string("id", required=True),
            title=item.string("title", required=True, longest=300),
            url=item.check(
                "url",
                _URL.fullmatch,
                item.string("url", required=True),
                "a whole http address",
                "begin it with https://",
            ),
            source=item.string("source", required=True, longest=200),
            kind=item.string("kind", longest=60) or "news",
            date=day or _NEVER,
            note=item.string("note", required=True, longest=1000),
        )
        item.finish()
        picks.append(pick)
    return tuple(picks)
