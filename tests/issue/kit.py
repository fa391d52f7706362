"""A small publication with everything an issue is made of."""

from __future__ import annotations

import datetime as dt

from newsletter.config import Settings
from newsletter.issue.period import Period

NOW = dt.datetime(2026, 11, 28, 12, 0, tzinfo=dt.UTC)
DECEMBER = Period(2026, 12)
SITE = "http://127.0.0.1:8000"

TOML = """\
[publication]
title = "Test letter"
url = "http://127.0.0.1:8000"
languages = ["en", "ru", "de"]
time_zone = "Europe/Berlin"
subject = "health"

[sender]
name = "Test letter"
address = "letter@letter.example.org"
postal_address = "Example street 1, 10115 Example"
list_id = "letter.letter.example.org"

[approvers.Editor]
[approvers.Doctor]
"""

DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 240">'
    '<circle cx="100" cy="120" r="60" fill="#1f8a83"/></svg>'
)


def article(
    title: str,
    *,
    published: str = "2026-11-01",
    review: str = "{last: 2026-10-01, next: 2029-10-01, by: [{name: A. Clinician, role: clinical}]}",
    more: str = "",
    body: str = "Some words about it.",
) -> str:
    return (
        f'---\ntitle: "{title}"\nsummary: "What {title} means, in two sentences. This is the second."\n'
        f"published: {published}\ntopics: [cells]\nauthors: [{{name: An Editor, role: writer}}]\n"
        f"review: {review}\n{more}---\n\n{body}\n"
    )


PICTURE = "picture: {path: images/cells.svg, alt: A round cell., caption: A cell.}\n"
NEWS = """\
news:
  - id: agency-1
    title: "A notice & its meaning"
    url: "https://agency.example/notices/1?a=1&b=2"
    source: "The agency"
    kind: regulator
    date: 2026-11-18
    note: "It says little; ask your team."
"""


def letter(
    language: str = "en", more: str = "", body: str = "Dear reader,\n\nthis month: *cells*."
) -> str:
    return (
        f'---\nsubject: "Cells, in {language}"\npreheader: "What cells do, and what they do not, in {language}."\n'
        f"{more}---\n\n{body}\n"
    )


def month() -> dict[str, str]:
    """Three articles (one in three languages, one in two, one in English), letters, a drawing."""
    return {
        "content/topics.toml": '[cells]\nen = "Cells"\nru = "Клетки"\nde = "Zellen"\n',
        "content/images/cells.svg": DRAWING,
        "content/articles/cells.en.md": article("Cells", published="2026-10-01", more=PICTURE),
        "content/articles/cells.ru.md": article("Клетки", published="2026-10-01", more=PICTURE),
        "content/articles/cells.de.md": article("Zellen", published="2026-10-01", more=PICTURE),
        "content/articles/scans.en.md": article("Scans & “quotes”", published="2026-11-10"),
        "content/articles/scans.de.md": article("Bilder", published="2026-11-10"),
        "content/articles/papers.en.md": article("Papers", published="2026-11-05", more=PICTURE),
        "content/issues/2026-12/letter.en.md": letter("en", NEWS),
        "content/issues/2026-12/letter.ru.md": letter("ru"),
        "content/issues/2026-12/letter.de.md": letter("de", NEWS),
    }


def edit(settings: Settings, name: str, old: str, new: str) -> None:
    path = settings.root / name
    before = path.read_text("utf-8")
    assert old in before
    path.write_text(before.replace(old, new), "utf-8")
