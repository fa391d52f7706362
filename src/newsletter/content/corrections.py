"""content/issues/PERIOD/corrections.LANG.md: what changed since a letter was sent.

A sent mail cannot be changed, and its page in the archive is the mail. So what
was wrong in it is said beside it: a date, and a short text in our Markdown,
which the archive shows below the letter and clearly apart from it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from newsletter.config import Settings
from newsletter.content import emergency, mapping, patience, prose, source
from newsletter.content.fields import Fields
from newsletter.content.model import Source
from newsletter.content.reading import Reading, of
from newsletter.content.source import Text
from newsletter.errors import Finding, Findings, Level, Where


@dataclass(frozen=True, slots=True)
class Correction:
    """What changed since the letter of `period` was sent, in one language; `day` is the editor's date."""

    period: str
    language: str
    day: dt.date
    source: Source
    body: str
    reading: Reading


def path(period: str, language: str) -> str:
    """Where a correction lies, relative to the publication."""
    return f"content/issues/{period}/corrections.{language}.md"


def load(settings: Settings, period: str) -> dict[str, Correction]:
    """The corrections of `period` by language; most issues have none.

    Raises:
        Findings: one is wrong; everything at once.
    """
    made: dict[str, Correction] = {}
    findings: list[Finding] = []
    folder = settings.path(f"content/issues/{period}")
    for file in sorted(folder.glob("corrections*.md")):
        name = file.relative_to(settings.root).as_posix()
        language = file.name.removeprefix("corrections.").removesuffix(".md")
        if language not in settings.publication.languages:
            findings.append(_no_language(settings, name, period))
            continue
        data = source.read_bytes(settings.root, file)
        if isinstance(data, Finding):
            findings.append(data)
            continue
        text, problems = source.decode(name, data)
        findings += problems
        if text is not None:
            zone = str(settings.publication.time_zone)
            correction, problems = read(text, period, language, zone)
            findings += problems
            if correction is not None:
                made[language] = correction
    if any(finding.level is Level.ERROR for finding in findings):
        raise Findings(findings)
    return made


def read(
    text: Text, period: str, language: str, zone: str
) -> tuple[Correction | None, list[Finding]]:
    """The correction in `text`; None when a finding is an error. `zone` gives the number for emergencies."""
    entries, findings = mapping.read(text)
    if not entries and not findings:
        what = f"{text.path} has no front matter"
        help_text = "begin the file with ---, `date: 2026-12-08` and ---"
        findings.append(Finding("NL207", what, text.where(1), help=help_text))
    fields = Fields(text, entries, findings if entries else [], "a correction")
    day = fields.day("date", required=True)
    fields.finish()
    reading = _body(text, language, zone, findings)
    if reading is None or day is None or any(each.level is Level.ERROR for each in findings):
        return None, findings
    return Correction(period, language, day, text.source, text.body, reading), findings


def _body(text: Text, language: str, zone: str, findings: list[Finding]) -> Reading | None:
    """The text below the front matter; adds what is wrong with it to `findings`."""
    try:
        with patience.limit(patience.SECONDS):
            parsed = prose.parse(
                text.body, source=text.source, language=language, emergency=emergency.number(zone)
            )
    except patience.TooLong:
        what = f"{text.path} took longer than {patience.SECONDS} seconds to read"
        findings.append(
            Finding("NL229", what, Where(text.path, text.body_line), help="say it more simply")
        )
        return None
    findings += parsed.findings
    if not parsed.words:
        what = f"{text.path} says nothing"
        help_text = "write below the second --- what was wrong, and what is right"
        findings.append(Finding("NL243", what, Where(text.path, text.body_line), help=help_text))
    for shown in parsed.pictures:
        what = f"a correction shows no pictures, and this one has {shown.path}"
        where = prose.locate(text.body, text.source, shown.path)
        findings.append(Finding("NL243", what, where, help="say it in words"))
    return of(parsed)


def _no_language(settings: Settings, name: str, period: str) -> Finding:
    names = " or ".join(path(period, tag) for tag in settings.publication.languages)
    return Finding(
        "NL242",
        f"{name} is the correction of no letter: the publication has no such language",
        Where(name),
        help=f"name it {names}",
    )
