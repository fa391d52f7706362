"""content/pages/ID.LANG.md becomes a Page: about, privacy, subscribe."""

from __future__ import annotations

from typing import Literal, cast

from newsletter.content import mapping
from newsletter.content.fields import Fields
from newsletter.content.model import Page
from newsletter.content.source import Text
from newsletter.errors import Finding


def read(text: Text, id_: str, language: str) -> tuple[Page, list[Finding]]:
    """The page in `text`; with an error among the findings, what could be read of it (as an article's)."""
    entries, findings = mapping.read(text)
    if not entries and not findings:
        findings.append(
            Finding(
                "NL207",
                f"{text.path} has no front matter",
                text.where(1),
                "the text begins at once",
                "begin the file with ---, `title: ...` and ---",
            )
        )
    fields = Fields(text, entries, findings if entries else [], "a page")
    page = Page(
        id=id_,
        language=language,
        title=fields.string("title", required=True, longest=200),
        summary=fields.string("summary", longest=500),
        menu=cast(
            Literal["none", "top", "footer"],
            fields.choice("menu", ("none", "top", "footer"), "none"),
        ),
        slug=fields.slug("slug", id_) if entries else "",
        body=text.body,
        source=text.source,
    )
    fields.finish()
    return page, findings
