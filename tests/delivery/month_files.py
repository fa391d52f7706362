"""A small publication on disk: two articles, two letters, one language, due on the first at nine."""

from __future__ import annotations

import datetime as dt

from newsletter.issue.period import Period

DECEMBER = Period(2026, 12)
DUE = dt.datetime(2026, 12, 1, 8, 0, tzinfo=dt.UTC)

TOML = """\
[publication]
title = "Test letter"
url = "http://127.0.0.1:8000"
languages = ["en"]
time_zone = "Europe/Berlin"

[sender]
name = "Test letter"
address = "letter@letter.example.org"
postal_address = "Example street 1, 10115 Example"
list_id = "letter.letter.example.org"

[month]
notify = "editor@letter.example.org"

[approvers.Editor]
"""
ARTICLE = """\
---
title: "{title}"
summary: "What it means, in two sentences. This is the second."
published: {day}
topics: [cells]
authors: [{{name: An Editor, role: writer}}]
---

Some words about it.
"""
LETTER = '---\nsubject: "Cells"\npreheader: "What cells do."\n---\n\nDear reader,\n\nthis month: cells.\n'
FILES: dict[str, str | bytes] = {
    "content/topics.toml": '[cells]\nen = "Cells"\n',
    "content/articles/cells.en.md": ARTICLE.format(title="Cells", day="2026-10-01"),
    "content/articles/scans.en.md": ARTICLE.format(title="Scans", day="2026-12-15"),
    "content/issues/2026-12/letter.en.md": LETTER,
    "content/issues/2027-01/letter.en.md": LETTER,
}
