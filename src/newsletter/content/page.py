"""content/pages/ID.LANG.md becomes a Page: about, privacy, subscribe."""

from __future__ import annotations

from typing import Literal, cast

from newsletter.content import mapping
from newsletter.content.fields import Fields
from newsletter.content.model import Page
from newsletter.content.source import Text
from newsletter.errors import Finding, Level


def read(text: Text, id_: str, language: str) -> tuple[Page | None, list[Finding]]:
    """The page in `text`; None when a finding is an error."""
    entries, findings = mapping.read(text)
    if not entries:
        if not findings:
            findings.append(
                Finding(
                    "NL207",
                    f"{text.path} has no front matter",
                    text.where(1),
                    "the text begins at once",
                    "begin the file with ---, `title: ...` and ---",
                )
            )
        return None, findings
    fields = Fields(text, entries, findings, "a page")
    page = Page(
        id=id_,
        language=language,
        title=fields.string("title", required=True, longest=200),
        summary=fields.string("summary", longest=500),
        menu=cast(
            Literal["none", "top", "footer"],
            fields.choice("menu", ("none", "top", "footer"), "none"),
        ),
        slug=fields.slug("slug", id_),
        body=text.body,
        source=text.source,
    )
    fields.finish()
    return (None if any(finding.level is Level.ERROR for finding in findings) else page), findings
